import { html, nothing, type PropertyDeclarations, type TemplateResult } from 'lit';
import { isEnded, isStored, type Upload } from '../../core/upload-state.ts';
import type { Uploader } from '../../core/uploader.ts';
import { canRetry } from '../model/cause-book.ts';
import type { Thumbnails } from '../model/thumbnails.ts';
import { visibleName } from '../words/visible-name.ts';
import { icon } from './icons.ts';
import { PartElement } from './part-element.ts';

/** Rows that fly by are not worth a decoded picture. */
const SETTLED_MS = 120;

/** Colour and sign of a row. */
type Tone = 'waiting' | 'sending' | 'processing' | 'done' | 'failed';

/** One file: picture, name, size, where it stands, and what can be done about it. */
export class UploadRow extends PartElement {
  static override properties: PropertyDeclarations = {
    uploader: { attribute: false },
    upload: { attribute: false },
    share: { attribute: false },
    index: { attribute: false },
    rowHeight: { attribute: false },
    isCurrent: { attribute: false },
    thumbnails: { attribute: false },
    serverUrl: { attribute: false },
    localUrl: { state: true },
    broken: { state: true },
  };
  declare uploader: Uploader;
  declare upload: Upload;
  /** How much of it is sent, 0 to 1. */
  declare share: number;
  /** Its place in the list as it is narrowed now. */
  declare index: number;
  declare rowHeight: number;
  /** The one that the Tab key stops at. */
  declare isCurrent: boolean;
  declare thumbnails: Thumbnails;
  declare serverUrl: string | undefined;
  declare localUrl: string | undefined;
  /** URLs that did not load: a server's that expired, a file that is no image after all. */
  declare broken: readonly string[];
  #settle: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    this.broken = [];
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.role = 'row';
    this.#settle = setTimeout(() => {
      if (this.#shown() === undefined) this.localUrl = this.thumbnails.openLocal(this.upload);
    }, SETTLED_MS);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#settle);
    this.#closeLocal();
  }

  protected override render(): TemplateResult {
    const { strings, upload } = this;
    const name = visibleName(upload.name);
    const folder = upload.path.slice(0, Math.max(0, upload.path.length - upload.name.length - 1));
    const tone = toneOf(upload);
    return html`<div class="row tone-${tone}" part="row row-${tone}">
      <div class="row-picture" part="thumbnail">${this.#picture()}</div>
      <div class="row-file" role="gridcell">
        <bdi class="row-name" part="row-name" title=${visibleName(upload.path)}>${name}</bdi>
        <span class="row-facts" part="row-facts">
          ${strings.formatBytes(upload.sizeBytes)}${folder === '' ? nothing : html` · <bdi>${visibleName(folder)}</bdi>`}
        </span>
      </div>
      <div class="row-status" role="gridcell" part="row-status">
        <span class="row-words">${strings.rowStatus(upload, this.share)}</span>
        ${upload.status === 'uploading' ? html`<span class="row-bar"><span class="row-fill"></span></span>` : nothing}
      </div>
      <div class="row-actions" role="gridcell">${this.#actions(name)}</div>
    </div>`;
  }

  protected override updated(): void {
    // By the CSSOM: a style attribute would need a laxer content security policy.
    this.style.transform = `translateY(${this.index * this.rowHeight}px)`;
    this.ariaRowIndex = String(this.index + 1);
    this.tabIndex = this.isCurrent ? 0 : -1;
    const fill = this.querySelector<HTMLElement>('.row-fill');
    if (fill) fill.style.transform = `scaleX(${this.share.toFixed(3)})`;
  }

  #actions(name: string): TemplateResult | typeof nothing {
    const { strings, upload } = this;
    const tabIndex = this.isCurrent ? 0 : -1;
    if (canRetry(upload)) {
      return html`<button
        type="button"
        class="button small"
        part="button retry"
        tabindex=${tabIndex}
        aria-label=${strings.retryFile(name)}
        @click=${() => this.#act(() => this.uploader.retry(upload.id))}
      >${icon('retry')}${strings.retry}</button>`;
    }
    if (isEnded(upload.status) || isStored(upload.status)) return nothing;
    return html`<button
      type="button"
      class="icon-button small"
      part="icon-button cancel-file"
      tabindex=${tabIndex}
      aria-label=${strings.cancelFile(name)}
      title=${strings.cancelFile(name)}
      @click=${() => this.#act(() => this.uploader.abort({ id: upload.id }))}
    >${icon('close')}</button>`;
  }

  /** The button that was pressed goes with its reason: the focus goes to the row first. */
  #act(act: () => void): void {
    const root = this.getRootNode();
    if (root instanceof ShadowRoot && this.contains(root.activeElement)) this.focus();
    act();
  }

  /** The server's picture where it loads, else the file itself. */
  #shown(): string | undefined {
    const urls = [this.serverUrl, this.localUrl];
    return urls.find((url) => url !== undefined && !this.broken.includes(url));
  }

  #picture(): TemplateResult {
    const url = this.#shown();
    if (url === undefined) {
      return icon(this.upload.mimeType.startsWith('image/') ? 'image' : 'file');
    }
    return html`<img
      src=${url}
      alt=""
      width="40"
      height="40"
      decoding="async"
      draggable="false"
      @load=${() => this.#loaded(url)}
      @error=${() => {
        this.broken = [...this.broken, url];
      }}
    />`;
  }

  #loaded(url: string): void {
    if (url === this.serverUrl) this.#closeLocal();
  }

  #closeLocal(): void {
    if (this.localUrl === undefined) return;
    this.thumbnails.release(this.upload.id);
    this.localUrl = undefined;
  }
}

function toneOf({ status }: Upload): Tone {
  switch (status) {
    case 'searchable':
    case 'duplicate':
      return 'done';
    case 'processing':
    case 'embedding':
      return 'processing';
    case 'dead':
    case 'rejected':
    case 'processing-failed':
      return 'failed';
    case 'uploading':
    case 'put-unknown':
    case 'uploaded':
    case 'finalizing':
      return 'sending';
    default:
      return 'waiting';
  }
}
