import { html, nothing, type PropertyDeclarations, type TemplateResult } from 'lit';
import type { Uploader } from '../../core/uploader.ts';
import type { FailedUpload } from '../model/cause-book.ts';
import { visibleName } from '../words/visible-name.ts';
import { PartElement } from './part-element.ts';

/** One file that failed: its own words where the cause does not say them already, and what was tried. */
export class FailedFile extends PartElement {
  static override properties: PropertyDeclarations = {
    uploader: { attribute: false },
    upload: { attribute: false },
    isRetryable: { attribute: false },
    said: { attribute: false },
    isOpen: { state: true },
  };
  declare uploader: Uploader;
  declare upload: FailedUpload;
  declare isRetryable: boolean;
  /** What the cause says of all its files. */
  declare said: string;
  declare isOpen: boolean;

  constructor() {
    super();
    this.isOpen = false;
  }

  protected override render(): TemplateResult {
    const { strings, upload } = this;
    const name = visibleName(upload.path);
    const own = strings.failure(upload.failure);
    return html`<div class="failed-file" part="failed-file">
      <bdi title=${name}>${name}</bdi>
      <span class="size">${strings.formatBytes(upload.sizeBytes)}</span>
      <button
        type="button"
        class="button small quiet"
        part="button details"
        aria-expanded=${this.isOpen ? 'true' : 'false'}
        aria-label="${strings.details}: ${name}"
        @click=${() => {
          this.isOpen = !this.isOpen;
        }}
      >${strings.details}</button>
      ${
        this.isRetryable
          ? html`<button
            type="button"
            class="button small"
            part="button retry"
            aria-label=${strings.retryFile(name)}
            @click=${() => this.uploader.retry(upload.id)}
          >${strings.retry}</button>`
          : nothing
      }
      ${isSaid(own, this.said) ? nothing : html`<p class="detail" part="failure-detail">${own}</p>`}
      ${this.isOpen ? this.#details() : nothing}
    </div>`;
  }

  #details(): TemplateResult {
    const { strings, upload } = this;
    const [letter] = this.uploader.deadLetters.list({ id: upload.id });
    const attempts = letter?.attempts ?? [];
    return html`<ol class="attempts" part="attempts">
      ${attempts.map((attempt) => html`<li>${strings.attempt(attempt)}</li>`)}
      <li>${upload.failure.message} <code>${upload.failure.code}</code></li>
    </ol>`;
  }
}

/** Punctuation aside, because the cause is said in two sentences. */
function isSaid(own: string, said: string): boolean {
  const plain = (words: string): string => words.replace(/[^\p{L}\p{N}]/gu, '').toLowerCase();
  return plain(own) === plain(said);
}
