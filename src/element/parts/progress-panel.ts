import { html, nothing, type PropertyDeclarations, type TemplateResult } from 'lit';
import type { Snapshot } from '../../core/types.ts';
import type { Uploader } from '../../core/uploader.ts';
import type { SessionState } from '../model/session-state.ts';
import type { Stopwatch } from '../model/stopwatch.ts';
import { icon } from './icons.ts';
import { PartElement } from './part-element.ts';

/** How often a countdown is painted, while nothing else moves. */
const TICK_MS = 500;

/** The three bars, what they add up to, why nothing moves, and pause, resume, cancel. */
export class ProgressPanel extends PartElement {
  static override properties: PropertyDeclarations = {
    uploader: { attribute: false },
    snapshot: { attribute: false },
    session: { attribute: false },
    stopwatch: { attribute: false },
    isLooking: { attribute: false },
    isOffline: { attribute: false },
    isAsking: { state: true },
    isPutAway: { attribute: false },
    onHide: { attribute: false },
  };
  declare uploader: Uploader;
  declare snapshot: Snapshot;
  declare session: SessionState;
  declare stopwatch: Stopwatch;
  /** Files are being listed. */
  declare isLooking: boolean;
  declare isOffline: boolean;
  declare isAsking: boolean;
  /** A person put it away, when all was done. */
  declare isPutAway: boolean;
  declare onHide: () => void;
  /** What takes the place of a button that was pressed: the focus goes there once it is. */
  #focusNext: string | undefined;
  #ticker: ReturnType<typeof setInterval> | undefined;

  constructor() {
    super();
    this.isAsking = false;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#tick(false);
  }

  protected override willUpdate(): void {
    if (this.session.unsent === 0) this.isAsking = false;
    this.#tick(this.snapshot.wait !== null);
  }

  protected override render(): TemplateResult | typeof nothing {
    const { session, strings } = this;
    const { phase, total } = session;
    if (this.isPutAway || (phase === 'none' && !this.isLooking)) return nothing;
    const isDone = phase === 'done';
    const classes = [
      isDone ? 'is-done' : '',
      isDone && session.lost + session.refused > 0 ? 'has-failures' : '',
      session.cancelled > 0 ? 'is-cancelled' : '',
    ];
    return html`<section
      class="panel progress ${classes.join(' ')}"
      part="progress"
      aria-label=${strings.progress}
      data-phase=${phase}
    >
      <div class="progress-head">
        <div class="progress-words">
          ${isDone ? this.#badge() : nothing}
          <div>
            <p class="summary" part="summary">${this.#summary()}</p>
            <p class="figures" part="figures">${this.#figures()}</p>
          </div>
        </div>
        <div class="controls" part="controls">${this.#controls()}</div>
      </div>
      ${this.#banner()} ${total > 0 || !isDone ? this.#stages() : nothing}
    </section>`;
  }

  protected override updated(): void {
    if (this.#focusNext === undefined) return;
    const next = this.querySelector<HTMLElement>(this.#focusNext);
    if (!next) return;
    this.#focusNext = undefined;
    next.focus();
  }

  #ask(isAsking: boolean): void {
    this.#focusNext = isAsking ? '.keep' : '.pause, .resume';
    this.isAsking = isAsking;
  }

  /** Parts that stay whole, a space between: lines break there and nowhere else. */
  #summary(): unknown {
    const { session, strings } = this;
    if (session.phase === 'done') return strings.doneSummary(session);
    return strings
      .summary(session)
      .map((part, at) => html`${at === 0 ? '' : ' '}<span class="summary-part">${part}</span>`);
  }

  #figures(): string {
    const { session, snapshot, strings } = this;
    if (session.phase === 'done') {
      return strings.doneFigures(session, snapshot, this.stopwatch.seconds());
    }
    if (this.isLooking && session.unsent === 0) return strings.looking;
    return strings.runningFigures(session, snapshot);
  }

  #badge(): TemplateResult {
    const { searchable, total } = this.session;
    return html`<span class="badge">
      ${icon(searchable < total || total === 0 ? 'alert' : 'check')}
    </span>`;
  }

  #banner(): TemplateResult | typeof nothing {
    const { session, snapshot, strings } = this;
    const { wait, stop, state } = snapshot;
    if (session.phase === 'done') return nothing;
    const isPaused = state === 'paused' && session.unsent > 0;
    if (isPaused) {
      const words = stop === null ? strings.paused : strings.stopped(stop);
      return banner(words, stop === null ? 'is-calm' : '', stop === null ? 'pause' : 'alert');
    }
    // A limit that is being kept says more than a connection that may be gone.
    if (this.isOffline && wait?.kind !== 'rate_limit' && session.unsent > 0) {
      return banner(strings.offline, '', 'alert');
    }
    if (wait === null) return nothing;
    const seconds = Math.max(0, Math.ceil((wait.untilMs - Date.now()) / 1000));
    return banner(strings.waiting(wait.kind, seconds), '', 'wait');
  }

  #stages(): TemplateResult {
    const { session, snapshot, strings } = this;
    const { phase, total, uploaded, processed, searchable } = session;
    const gone = session.lost - session.lostInProcessing;
    const isWorking = phase === 'uploading' || phase === 'processing';
    const stage = (
      name: 'uploaded' | 'processed' | 'searchable',
      label: string,
      done: number,
      lost: number,
      isActive: boolean,
    ) => html`<bulkhead-uploader-stage
      .strings=${strings}
      .name=${name}
      .label=${label}
      .done=${done}
      .lost=${lost}
      .total=${total}
      .isActive=${isActive}
    ></bulkhead-uploader-stage>`;
    const isSending = phase === 'uploading' && snapshot.state === 'running';
    return html`<div class="stages" part="stages">
      ${stage('uploaded', strings.stageUploaded, uploaded, gone, isSending)}
      ${stage('processed', strings.stageProcessed, processed, session.lost, isWorking && uploaded > processed)}
      ${stage('searchable', strings.stageSearchable, searchable, session.lost, isWorking && processed > searchable)}
    </div>`;
  }

  #controls(): TemplateResult | typeof nothing {
    const { session, snapshot, strings } = this;
    if (this.isAsking) return this.#question();
    if (session.unsent > 0) {
      const isPaused = snapshot.state === 'paused';
      return html`${
        isPaused
          ? html`<button type="button" class="button primary resume" part="button primary-button resume" @click=${() => this.#resume()}>${icon('play')}${strings.resume}</button>`
          : html`<button type="button" class="button pause" part="button pause" @click=${() => this.#pause()}>${icon('pause')}${strings.pause}</button>`
      }<button type="button" class="button quiet cancel" part="button cancel" @click=${() => this.#ask(true)}>${strings.cancel}</button>`;
    }
    if (session.phase !== 'done') return nothing;
    return html`<button
      type="button"
      class="icon-button"
      part="icon-button hide"
      aria-label=${strings.hide}
      @click=${this.onHide}
    >
      ${icon('close')}
    </button>`;
  }

  #question(): TemplateResult {
    const { strings } = this;
    return html`<div
      class="question"
      part="question"
      role="group"
      aria-label=${strings.cancel}
      @keydown=${(event: KeyboardEvent) => {
        if (event.key === 'Escape') this.#ask(false);
      }}
    >
      <p>${strings.cancelQuestion(this.session.unsent)}</p>
      <div>
        <button type="button" class="button keep" part="button cancel-keep" @click=${() => this.#ask(false)}>${strings.cancelKeep}</button>
        <button type="button" class="button danger" part="button danger-button cancel-confirm" @click=${() => {
          this.isAsking = false;
          this.uploader.abort();
        }}>${strings.cancelConfirm}</button>
      </div>
    </div>`;
  }

  #pause(): void {
    this.#focusNext = '.resume';
    this.uploader.pause();
  }

  #resume(): void {
    this.#focusNext = '.pause';
    this.uploader.resume();
  }

  #tick(isOn: boolean): void {
    if (isOn === (this.#ticker !== undefined)) return;
    clearInterval(this.#ticker);
    this.#ticker = isOn ? setInterval(() => this.requestUpdate(), TICK_MS) : undefined;
  }
}

function banner(words: string, className: string, name: 'wait' | 'pause' | 'alert') {
  return html`<div class="banner ${className}" part="banner">${icon(name)}<span>${words}</span></div>`;
}
