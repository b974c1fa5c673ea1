import { html, nothing, type PropertyDeclarations, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import type { Snapshot } from '../../core/types.ts';
import type { Uploader } from '../../core/uploader.ts';
import type { Cause, CauseBook } from '../model/cause-book.ts';
import { retryInSlices } from '../model/retry-in-slices.ts';
import { visibleName } from '../words/visible-name.ts';
import { icon } from './icons.ts';
import { PartElement } from './part-element.ts';

/** Files shown of one cause: the list, narrowed to what failed, has them all. */
const MAX_FILES = 50;
/** File names shown while a cause is folded. */
const MAX_NAMES = 3;

/** Dead letters by cause, in words: retry where that can help, what was tried, and export. */
export class FailuresPanel extends PartElement {
  static override properties: PropertyDeclarations = {
    uploader: { attribute: false },
    causes: { attribute: false },
    snapshot: { attribute: false },
    onShowInList: { attribute: false },
    onExport: { attribute: false },
    open: { state: true },
  };
  declare uploader: Uploader;
  declare causes: CauseBook;
  /** Of the same moment: a new one is what brings the panel up to date. */
  declare snapshot: Snapshot;
  declare onShowInList: () => void;
  declare onExport: (format: 'csv' | 'json') => void;
  /** Keys of the causes that are unfolded. */
  declare open: ReadonlySet<string>;

  constructor() {
    super();
    this.open = new Set();
  }

  protected override render(): TemplateResult | typeof nothing {
    const { strings, causes } = this;
    if (causes.count === 0) return nothing;
    const list = causes.list();
    const retryable = list.filter(({ isRetryable }) => isRetryable);
    const title = strings.failuresTitle(causes.count, retryable.length === 0);
    return html`<section class="panel failures" part="failures" aria-label=${strings.failures}>
      <div class="failures-head">
        <p class="failures-title" part="failures-title">${icon('alert')}<span>${title}</span></p>
        <div class="failures-actions">
          ${
            retryable.length > 0
              ? html`<button
                type="button"
                class="button small"
                part="button retry-all"
                @click=${() => this.#retry(retryable)}
              >${icon('retry')}${strings.retryAll}</button>`
              : nothing
          }
          ${(['csv', 'json'] as const).map(
            (format) => html`<button
              type="button"
              class="button small quiet"
              part="button export-${format}"
              @click=${() => this.onExport(format)}
            >${strings.exportAs(format)}</button>`,
          )}
          ${
            retryable.length < list.length
              ? html`<button
                type="button"
                class="button small quiet"
                part="button dismiss-failures"
                @click=${() => this.#dismiss(list)}
              >${strings.dismissRefused}</button>`
              : nothing
          }
        </div>
      </div>
      ${repeat(
        list,
        ({ key }) => key,
        (cause) => this.#cause(cause),
      )}
    </section>`;
  }

  #cause(cause: Cause): TemplateResult {
    const { strings } = this;
    const isOpen = this.open.has(cause.key);
    const [first] = cause.first(1);
    const { what, advice } = first ? strings.cause(first.failure) : { what: '', advice: '' };
    const count = cause.uploads.size;
    const filesId = `files-of-${cause.key.replace(' ', '-')}`;
    return html`<div
      class="cause ${cause.isRetryable ? '' : 'is-refused'} ${isOpen ? 'is-open' : ''}"
      part="cause"
      data-code=${cause.code}
    >
      <div class="cause-head">
        <button
          type="button"
          class="cause-toggle"
          part="cause-toggle"
          aria-expanded=${isOpen ? 'true' : 'false'}
          aria-controls=${filesId}
          @click=${() => this.#toggle(cause.key)}
        >
          ${icon('chevron')}
          <span class="cause-count">${strings.formatCount(count)}</span>
          <span class="cause-words">
            <strong>${what}</strong> ${advice}
            ${isOpen ? nothing : html`<span class="cause-names">${this.#names(cause)}</span>`}
          </span>
        </button>
        ${
          cause.isRetryable
            ? html`<button
              type="button"
              class="button small"
              part="button retry-cause"
              @click=${() => this.#retry([cause])}
            >${strings.retryThese}</button>`
            : nothing
        }
      </div>
      <div id=${filesId} class="cause-files" ?hidden=${!isOpen}>
        ${isOpen ? this.#files(cause, what, advice) : nothing}
      </div>
    </div>`;
  }

  #files(cause: Cause, what: string, advice: string): TemplateResult {
    const { strings } = this;
    const files = cause.first(MAX_FILES);
    const more = cause.uploads.size - files.length;
    return html`<ul>
        ${repeat(
          files,
          ({ id }) => id,
          (upload) => html`<bulkhead-uploader-failed-file
            role="listitem"
            .strings=${strings}
            .uploader=${this.uploader}
            .upload=${upload}
            .isRetryable=${cause.isRetryable}
            .said=${`${what} ${advice}`.trim()}
          ></bulkhead-uploader-failed-file>`,
        )}
      </ul>
      ${
        more > 0
          ? html`<p class="cause-more">
            ${strings.moreFiles(more)}
            <button type="button" class="button small quiet" part="button show-in-list" @click=${this.onShowInList}>
              ${strings.showInList}
            </button>
          </p>`
          : nothing
      }`;
  }

  #names(cause: Cause): string {
    // Isolated, so that one name's direction of writing does not reorder the others.
    const names = cause.first(MAX_NAMES).map(({ name }) => `\u2068${visibleName(name)}\u2069`);
    return this.strings.causeNames(names, cause.uploads.size - names.length);
  }

  #toggle(key: string): void {
    const open = new Set(this.open);
    if (!open.delete(key)) open.add(key);
    this.open = open;
  }

  #retry(causes: readonly Cause[]): void {
    const ids = causes.flatMap(({ uploads }) => [...uploads.keys()]);
    void retryInSlices(ids, (id) => this.uploader.retry(id));
  }

  /** Out of sight here; in the list they stay. */
  #dismiss(causes: readonly Cause[]): void {
    for (const cause of causes) {
      if (cause.isRetryable) continue;
      for (const id of [...cause.uploads.keys()]) this.causes.remove(id);
    }
    this.requestUpdate();
  }
}
