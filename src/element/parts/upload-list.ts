import { html, nothing, type PropertyDeclarations, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import type { Snapshot } from '../../core/types.ts';
import type { Upload } from '../../core/upload-state.ts';
import type { Uploader } from '../../core/uploader.ts';
import { ROW_FILTERS, type RowBook, type RowFilter } from '../model/row-book.ts';
import { type RowView, rowWindow, scrollTopFor } from '../model/row-window.ts';
import type { Thumbnails } from '../model/thumbnails.ts';
import { PartElement } from './part-element.ts';
import type { UploadRow } from './upload-row.ts';

/** Until a row is there to be measured. */
const ROW_HEIGHT = 58;

/**
 * All files, or those of one filter. Only the rows in sight exist, and only those of them are rendered
 * whose upload changed: 100,000 rows cost what twenty do.
 */
export class UploadList extends PartElement {
  static override properties: PropertyDeclarations = {
    uploader: { attribute: false },
    book: { attribute: false },
    thumbnails: { attribute: false },
    snapshot: { attribute: false },
    tick: { attribute: false },
    sent: { attribute: false },
    filter: { attribute: false },
    onFilter: { attribute: false },
    rowHeight: { state: true },
    viewHeight: { state: true },
    scrolled: { state: true },
    currentId: { state: true },
  };
  declare uploader: Uploader;
  declare book: RowBook;
  declare thumbnails: Thumbnails;
  /** A new one is what brings the rows up to date, and so is a tick. */
  declare snapshot: Snapshot;
  declare tick: number;
  /** Bytes of files in flight, by upload. */
  declare sent: ReadonlyMap<string, number>;
  declare filter: RowFilter;
  declare onFilter: (filter: RowFilter) => void;
  declare rowHeight: number;
  declare viewHeight: number;
  /** How far the list is scrolled, in pixels. */
  declare scrolled: number;
  /** The row that the Tab key stops at. */
  declare currentId: string | undefined;
  readonly #observer = new ResizeObserver(() => this.#measure());
  #observed: Element | undefined;
  /** Where the row with the keyboard stood: if it leaves the filter, the focus goes to who comes next. */
  #focusedIndex = -1;
  #hasFocus = false;

  constructor() {
    super();
    this.rowHeight = ROW_HEIGHT;
    this.viewHeight = 0;
    this.scrolled = 0;
    this.currentId = undefined;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#observer.disconnect();
    this.#observed = undefined;
  }

  protected override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (!changed.has('filter') || changed.get('filter') === undefined) return;
    this.scrolled = 0;
    this.#hasFocus = false;
  }

  protected override render(): TemplateResult | typeof nothing {
    const { strings, book, filter } = this;
    if (book.count('all') === 0) return nothing;
    const count = book.count(filter);
    return html`<section class="panel list" part="list" aria-label=${strings.list}>
      <div class="filters" part="filters" role="group" aria-label=${strings.filters}>
        ${ROW_FILTERS.map((name) => this.#filterButton(name))}
      </div>
      ${count === 0 ? html`<p class="empty" part="empty">${strings.emptyList(filter)}</p>` : this.#rows(count)}
    </section>`;
  }

  protected override updated(changed: Map<PropertyKey, unknown>): void {
    const scroller = this.#scroller();
    const rows = scroller?.querySelector<HTMLElement>('.rows-inner');
    if (!scroller || !rows) return;
    rows.style.height = `${this.book.count(this.filter) * this.rowHeight}px`;
    if (changed.has('filter')) scroller.scrollTop = this.scrolled;
    if (this.#observed !== scroller) {
      this.#observer.disconnect();
      this.#observer.observe(scroller);
      this.#observed = scroller;
    }
    this.#measure();
    this.#restoreFocus();
  }

  #filterButton(name: RowFilter): TemplateResult {
    const { strings, book, filter } = this;
    return html`<button
      type="button"
      class="filter"
      part="filter filter-${name}"
      aria-pressed=${name === filter ? 'true' : 'false'}
      @click=${() => this.onFilter(name)}
    >
      ${strings.filter(name)} <span class="filter-count">${strings.formatCount(book.count(name))}</span>
    </button>`;
  }

  #rows(count: number): TemplateResult {
    // Firefox makes whatever scrolls a stop of the Tab key; here a row is that stop.
    return html`<div class="rows" part="rows" tabindex="-1" @scroll=${this.#scroll}>
      <div
        class="rows-inner"
        role="grid"
        aria-label=${this.strings.list}
        aria-rowcount=${count}
        aria-colcount="3"
        @keydown=${this.#key}
        @focusin=${this.#focusIn}
        @focusout=${this.#focusOut}
      >
        ${repeat(
          this.#shown(count),
          ({ upload }) => upload.id,
          ({ upload, index, isCurrent }) => html`<bulkhead-uploader-row
            .strings=${this.strings}
            .uploader=${this.uploader}
            .thumbnails=${this.thumbnails}
            .serverUrl=${this.thumbnails.serverUrl(upload)}
            .upload=${upload}
            .index=${index}
            .rowHeight=${this.rowHeight}
            .isCurrent=${isCurrent}
            .share=${upload.status === 'uploading' ? (this.sent.get(upload.id) ?? 0) / Math.max(1, upload.sizeBytes) : 0}
          ></bulkhead-uploader-row>`,
        )}
      </div>
    </div>`;
  }

  /** The rows that exist now: those in sight, and the one that has the keyboard wherever it is. */
  #shown(count: number): { upload: Upload; index: number; isCurrent: boolean }[] {
    const { book, filter } = this;
    const { first, end } = rowWindow(this.#view(count));
    const indices = Array.from({ length: end - first }, (_, at) => first + at);
    const current = this.currentId === undefined ? -1 : book.indexOf(filter, this.currentId);
    if (current >= 0 && current < first) indices.unshift(current);
    if (current >= end) indices.push(current);
    // Whoever comes by the Tab key comes to what is in sight.
    const tabStop =
      current >= 0 ? current : Math.min(count - 1, Math.ceil(this.scrolled / this.rowHeight));
    return indices.flatMap((index) => {
      const upload = this.uploader.get(book.at(filter, index) ?? '');
      return upload ? [{ upload, index, isCurrent: index === tabStop }] : [];
    });
  }

  #view(count: number): RowView {
    const { scrolled: scrollTop, viewHeight: height, rowHeight } = this;
    return { scrollTop, height, rowHeight, count };
  }

  #scroller(): HTMLElement | null {
    return this.querySelector('.rows');
  }

  #scroll({ currentTarget }: Event): void {
    if (currentTarget instanceof HTMLElement) this.scrolled = currentTarget.scrollTop;
  }

  /** Rows grow with the text's size, and the window with the page. */
  #measure(): void {
    const scroller = this.#scroller();
    const row = scroller?.querySelector<HTMLElement>('bulkhead-uploader-row');
    if (!scroller) return;
    if (scroller.clientHeight > 0) this.viewHeight = scroller.clientHeight;
    if (row && row.offsetHeight > 0) this.rowHeight = row.offsetHeight;
  }

  #focusIn({ target }: FocusEvent): void {
    const row = target instanceof Element ? target.closest('bulkhead-uploader-row') : null;
    if (!row) return;
    const { upload, index } = row as UploadRow;
    this.#hasFocus = true;
    this.#focusedIndex = index;
    this.currentId = upload.id;
  }

  #focusOut({ target, relatedTarget }: FocusEvent): void {
    // An element that is taken away loses the focus as well; that is not a person who went elsewhere.
    if (relatedTarget !== null && target instanceof Node && target.isConnected) {
      const isInside = relatedTarget instanceof Node && this.contains(relatedTarget);
      if (!isInside) this.#hasFocus = false;
    }
  }

  /** The row with the keyboard was taken away, by its filter or by a person: the next one has it. */
  #restoreFocus(): void {
    if (!this.#hasFocus) return;
    const root = this.getRootNode();
    if (!(root instanceof ShadowRoot) || root.activeElement !== null) return;
    if (this.currentId !== undefined && this.book.indexOf(this.filter, this.currentId) >= 0) return;
    const count = this.book.count(this.filter);
    if (count > 0) void this.#focus(Math.min(this.#focusedIndex, count - 1));
  }

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const count = this.book.count(this.filter);
    const page = Math.max(1, Math.floor(this.viewHeight / this.rowHeight) - 1);
    const steps: Readonly<Record<string, number>> = {
      ArrowUp: -1,
      ArrowDown: 1,
      PageUp: -page,
      PageDown: page,
      Home: -count,
      End: count,
    };
    const step = steps[event.key];
    if (step !== undefined) {
      event.preventDefault();
      const from = this.book.indexOf(this.filter, this.currentId ?? '');
      void this.#focus(Math.max(0, Math.min(count - 1, from + step)));
      return;
    }
    this.#keyInRow(event);
  }

  /** Into the row's button, and back. */
  #keyInRow(event: KeyboardEvent): void {
    const row =
      event.target instanceof Element ? event.target.closest('bulkhead-uploader-row') : null;
    if (!(row instanceof HTMLElement)) return;
    const [forward, back] = this.matches(':dir(rtl)')
      ? ['ArrowLeft', 'ArrowRight']
      : ['ArrowRight', 'ArrowLeft'];
    const isOnRow = event.target === row;
    if (isOnRow && (event.key === forward || event.key === 'Enter')) {
      row.querySelector('button')?.focus();
    } else if (!isOnRow && (event.key === back || event.key === 'Escape')) {
      row.focus();
    } else {
      return;
    }
    event.preventDefault();
  }

  async #focus(index: number): Promise<void> {
    const id = this.book.at(this.filter, index);
    const scroller = this.#scroller();
    if (id === undefined || !scroller) return;
    scroller.scrollTop = scrollTopFor(index, this.#view(this.book.count(this.filter)));
    this.scrolled = scroller.scrollTop;
    this.currentId = id;
    await this.updateComplete;
    for (const row of this.querySelectorAll('bulkhead-uploader-row')) {
      if ((row as UploadRow).upload.id !== id) continue;
      await (row as UploadRow).updateComplete;
      (row as UploadRow).focus({ preventScroll: true });
    }
  }
}
