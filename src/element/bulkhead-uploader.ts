import { html, LitElement, nothing, type PropertyDeclarations, type TemplateResult } from 'lit';
import type { Uploader } from '../core/uploader.ts';
import { type BulkheadUploaderEvents, type BulkheadUploaderEventType, emit } from './events.ts';
import { takeDrops, takePastes } from './file-drops.ts';
import { LeaveGuard } from './leave-guard.ts';
import { Announcements } from './model/announcements.ts';
import type { RowFilter } from './model/row-book.ts';
import { type Phase, readSession } from './model/session-state.ts';
import { situationOf } from './model/situation.ts';
import { UploaderView } from './model/uploader-view.ts';
import { createOwnUploader } from './own-uploader.ts';
import type { DropZone, Picked } from './parts/drop-zone.ts';
import type { Notice } from './parts/notices-bar.ts';
import { saveText } from './save-text.ts';
import { styles } from './styles/styles.ts';
import { englishStrings } from './words/english.ts';
import type { UploaderStrings } from './words/strings.ts';

/** More would push the page down. */
const MAX_NOTICES = 3;

/**
 * `<bulkhead-uploader>`: everything a person needs to bring thousands of files over. With `uploader` it shows
 * the app's own; with the attribute `endpoint` it makes one.
 *
 * @slot hint - a line under the title of the drop zone: what is taken
 * @fires bulkhead-ready, bulkhead-adding, bulkhead-added, bulkhead-add-failed, bulkhead-phase-changed,
 *   bulkhead-upload-failed, bulkhead-drained: see {@link BulkheadUploaderEvents}
 */
export class BulkheadUploader extends LitElement {
  /** @hidden */
  static override styles = styles;
  /** @hidden */
  static override properties: PropertyDeclarations = {
    endpoint: {},
    accept: {},
    theme: { reflect: true },
    scope: {},
    maxFileSizeBytes: { attribute: 'max-file-size-bytes', type: Number },
    dropTarget: { attribute: 'drop-target' },
    isCompact: { attribute: 'compact', type: Boolean },
    noList: { attribute: 'no-list', type: Boolean },
    noLeaveWarning: { attribute: 'no-leave-warning', type: Boolean },
    strings: { attribute: false, noAccessor: true },
    uploader: { attribute: false, noAccessor: true },
    filter: { state: true },
    notices: { state: true },
    isOver: { state: true },
    isPutAway: { state: true },
    isOffline: { state: true },
    intakes: { state: true },
    tick: { state: true },
  };

  /** Where the server kit answers; '' is the page's own origin. Makes an uploader unless `uploader` is set. */
  declare endpoint: string | null;
  /** What the file dialogue offers, as of `<input accept>`; the element's own uploader takes nothing else. */
  declare accept: string;
  /** Default `auto`: as the system. */
  declare theme: 'auto' | 'light' | 'dark';
  /** Of the element's own uploader: whose uploads these are, where several people share a browser. */
  declare scope: string;
  /** Of the element's own uploader; null for the SDK's default. */
  declare maxFileSizeBytes: number | null;
  /** Where files may be dropped: on the `element` (default), or anywhere in the `window`. */
  declare dropTarget: 'element' | 'window';
  /** The drop zone is one line even while there is nothing to see below it. */
  declare isCompact: boolean;
  /** Leaves the list of files out. */
  declare noList: boolean;
  /** Nobody is asked before the page is left while files are not sent. */
  declare noLeaveWarning: boolean;
  /** @hidden */
  declare filter: RowFilter;
  /** @hidden */
  declare notices: readonly Notice[];
  /** @hidden */
  declare isOver: boolean;
  /**
   * A person hid the progress and the list, when all was done.
   *
   * @hidden
   */
  declare isPutAway: boolean;
  /** @hidden */
  declare isOffline: boolean;
  /**
   * Calls of `add` under way.
   *
   * @hidden
   */
  declare intakes: number;
  /**
   * Grows with each change of the uploader.
   *
   * @hidden
   */
  declare tick: number;

  #strings: UploaderStrings = englishStrings();
  #given: Uploader | undefined;
  #own: Uploader | undefined;
  #view: UploaderView | undefined;
  #phase: Phase = 'none';
  #noticeId = 0;
  readonly #leaveGuard = new LeaveGuard();
  readonly #announcements = new Announcements();
  #announceTimer: ReturnType<typeof setTimeout> | undefined;
  /** What ends with the element's stay in the page. */
  readonly #ends: (() => void)[] = [];
  #endDrops: (() => void) | undefined;

  /** @hidden */
  constructor() {
    super();
    this.endpoint = null;
    this.accept = '';
    this.theme = 'auto';
    this.scope = '';
    this.maxFileSizeBytes = null;
    this.dropTarget = 'element';
    this.isCompact = false;
    this.noList = false;
    this.noLeaveWarning = false;
    this.filter = 'all';
    this.notices = [];
    this.isOver = false;
    this.isPutAway = false;
    this.isOffline = false;
    this.intakes = 0;
    this.tick = 0;
  }

  /** The uploader that is shown: the one that was set, else the element's own; undefined when there is neither. */
  get uploader(): Uploader | undefined {
    return this.#given ?? this.#own;
  }

  /** The app's own; it stays the app's to destroy. */
  set uploader(uploader: Uploader | undefined) {
    if (uploader === this.#given) return;
    this.#given = uploader;
    this.requestUpdate();
  }

  /** Words that differ from the English ones; those that are not given stay English. */
  get strings(): UploaderStrings {
    return this.#strings;
  }

  /** Those that are not given stay English. */
  set strings(strings: Partial<UploaderStrings>) {
    const before = this.#strings;
    this.#strings = { ...englishStrings(), ...strings };
    this.requestUpdate('strings', before);
  }

  /**
   * Adds files as if a person had chosen them: `bulkhead-added` follows, and what is wrong is shown.
   *
   * @param picked a drop's DataTransfer has to come in the event itself
   */
  async add(picked: Picked): Promise<void> {
    const { uploader } = this;
    if (uploader === undefined) {
      throw new Error(
        '<bulkhead-uploader> has no uploader: set `uploader`, or the attribute `endpoint`',
      );
    }
    this.intakes += 1;
    this.notices = [];
    // Called before anything is awaited: a drop's DataTransfer is empty afterwards.
    const adding = uploader.add(picked);
    this.#emit('bulkhead-adding', null);
    try {
      const result = await adding;
      if (result.repeated > 0) this.#notify(this.strings.repeated(result.repeated));
      else if (result.added + result.refused === 0) this.#notify(this.strings.nothingFound);
      this.#emit('bulkhead-added', result);
    } catch (error) {
      this.#notify(this.strings.unreadable);
      this.#emit('bulkhead-add-failed', { error });
    } finally {
      this.intakes -= 1;
    }
  }

  /** Opens the browser's dialogue for files or for a folder. Browsers want that on a click. */
  choose(what: 'files' | 'folder'): void {
    this.renderRoot.querySelector<DropZone>('bulkhead-uploader-zone')?.choose(what);
  }

  /** @hidden */
  override connectedCallback(): void {
    super.connectedCallback();
    const follow = (): void => {
      this.isOffline = !navigator.onLine;
    };
    follow();
    window.addEventListener('online', follow);
    window.addEventListener('offline', follow);
    this.#ends.push(
      () => window.removeEventListener('online', follow),
      () => window.removeEventListener('offline', follow),
      takePastes(this, (picked) => void this.add(picked)),
    );
    this.requestUpdate();
  }

  /** @hidden */
  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const end of this.#ends.splice(0)) end();
    this.#endDrops?.();
    this.#endDrops = undefined;
    clearTimeout(this.#announceTimer);
    this.#leaveGuard.set(false);
    // An element that is moved is taken out and put in again in one go: its uploads go on.
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.#follow(undefined);
      this.#own?.destroy();
      this.#own = undefined;
    });
  }

  /** @hidden */
  protected override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (!this.isConnected) return;
    if (this.#given === undefined && this.endpoint !== null && this.#own === undefined) {
      const { endpoint, accept, maxFileSizeBytes, scope } = this;
      this.#own = createOwnUploader({ endpoint, accept, maxFileSizeBytes, scope });
    }
    this.#follow(this.uploader);
    if (changed.has('dropTarget') || this.#endDrops === undefined) this.#takeDrops();
  }

  /** @hidden */
  protected override render(): TemplateResult {
    const view = this.#view;
    const { strings } = this;
    const snapshot = view?.uploader.getSnapshot();
    const session = snapshot && readSession(snapshot);
    const hasRows = session !== undefined && session.phase !== 'none';
    const sessions = view?.uploader.sessions.getSnapshot() ?? [];
    const isPutAway = this.isPutAway && session?.phase === 'done';
    const hasMore = hasRows || sessions.some(({ state }) => state !== 'here');
    return html`<div class="root" part="root">
      <bulkhead-uploader-zone
        .strings=${strings}
        .accept=${this.accept}
        .isCompact=${this.isCompact || hasMore}
        .onTake=${(picked: Picked) => void this.add(picked)}
      ></bulkhead-uploader-zone>
      <bulkhead-uploader-notices
        .strings=${strings}
        .notices=${this.notices}
        .onDismiss=${(id: number) => this.#dismiss(id)}
      ></bulkhead-uploader-notices>
      ${
        view && snapshot && session
          ? html`<bulkhead-uploader-sessions
              .strings=${strings}
              .uploader=${view.uploader}
              .sessions=${sessions}
              .snapshot=${snapshot}
              .onChoose=${(what: 'files' | 'folder') => this.choose(what)}
              .onNotice=${(words: string) => this.#notify(words)}
            ></bulkhead-uploader-sessions>
            <bulkhead-uploader-progress
              .strings=${strings}
              .uploader=${view.uploader}
              .snapshot=${snapshot}
              .session=${session}
              .stopwatch=${view.stopwatch}
              .isPutAway=${isPutAway}
              .onHide=${() => {
                this.isPutAway = true;
              }}
              .isLooking=${this.intakes > 0}
              .isOffline=${this.isOffline}
            ></bulkhead-uploader-progress>
            <bulkhead-uploader-failures
              .strings=${strings}
              .uploader=${view.uploader}
              .causes=${view.causes}
              .snapshot=${snapshot}
              .onShowInList=${() => this.#showFailed()}
              .onExport=${(format: 'csv' | 'json') => this.#export(format)}
            ></bulkhead-uploader-failures>
            ${this.noList || isPutAway ? nothing : this.#list(view)}`
          : nothing
      }
      <p class="announcer" part="announcer" aria-live="polite"></p>
    </div>
    <div class="overlay ${this.dropTarget === 'window' ? 'is-window' : ''}" aria-hidden="true" ?hidden=${!this.isOver}>
      <p>${strings.dropNow}</p>
    </div>`;
  }

  /** @hidden */
  protected override updated(): void {
    const view = this.#view;
    if (view === undefined) return;
    const snapshot = view.uploader.getSnapshot();
    const session = readSession(snapshot);
    this.#leaveGuard.set(!this.noLeaveWarning && session.unsent > 0);
    this.#announce();
    if (session.phase === this.#phase) return;
    if (session.phase !== 'done') this.isPutAway = false;
    this.#phase = session.phase;
    this.#emit('bulkhead-phase-changed', session);
  }

  #list(view: UploaderView): TemplateResult {
    return html`<bulkhead-uploader-list
      .strings=${this.strings}
      .uploader=${view.uploader}
      .book=${view.rows}
      .thumbnails=${view.thumbnails}
      .sent=${view.sent}
      .snapshot=${view.uploader.getSnapshot()}
      .tick=${this.tick}
      .filter=${this.filter}
      .onFilter=${(filter: RowFilter) => {
        this.filter = filter;
      }}
    ></bulkhead-uploader-list>`;
  }

  /** Another uploader than before: everything that is known of the old one goes. */
  #follow(uploader: Uploader | undefined): void {
    if (this.#view?.uploader === uploader) return;
    this.#view?.dispose();
    this.#view = undefined;
    this.#phase = 'none';
    this.#announcements.reset();
    if (uploader === undefined) return;
    this.#view = new UploaderView(uploader, {
      onChange: () => {
        this.tick += 1;
      },
      onDegraded: (what) =>
        this.#notify(what === 'journal' ? this.strings.notKept : this.strings.copiesStopped),
      onFailed: (id) => {
        const upload = uploader.get(id);
        if (upload && 'failure' in upload) {
          this.#emit('bulkhead-upload-failed', { id, failure: upload.failure });
        }
      },
      onDrained: () => this.#emit('bulkhead-drained', uploader.getSnapshot()),
    });
    this.#emit('bulkhead-ready', { uploader });
  }

  #takeDrops(): void {
    this.#endDrops?.();
    this.#endDrops = takeDrops({
      target: this.dropTarget === 'window' ? window : this,
      onTake: (picked) => void this.add(picked),
      onOver: (isOver) => {
        this.isOver = isOver;
      },
    });
  }

  #announce(): void {
    const view = this.#view;
    const target = this.renderRoot.querySelector('.announcer');
    if (!view || !target) return;
    clearTimeout(this.#announceTimer);
    const snapshot = view.uploader.getSnapshot();
    const session = readSession(snapshot);
    const situation = situationOf(session, snapshot, this.isOffline, this.strings);
    const { say, againInMs } = this.#announcements.consider(situation, performance.now());
    if (say !== null) target.textContent = say;
    if (againInMs !== null) {
      this.#announceTimer = setTimeout(() => this.#announce(), againInMs);
    }
  }

  #notify(words: string): void {
    this.#noticeId += 1;
    const others = this.notices.filter((notice) => notice.words !== words);
    this.notices = [...others, { id: this.#noticeId, words }].slice(-MAX_NOTICES);
  }

  #dismiss(id: number): void {
    this.notices = this.notices.filter((notice) => notice.id !== id);
  }

  #showFailed(): void {
    this.filter = 'failed';
    this.renderRoot.querySelector('bulkhead-uploader-list')?.scrollIntoView({ block: 'nearest' });
  }

  #export(format: 'csv' | 'json'): void {
    const text = this.uploader?.deadLetters.export(format);
    if (text !== undefined) saveText(text, `failed-uploads.${format}`, format);
  }

  #emit<T extends BulkheadUploaderEventType>(type: T, detail: BulkheadUploaderEvents[T]): void {
    emit(this, type, detail);
  }
}
