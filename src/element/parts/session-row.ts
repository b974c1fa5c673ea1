import { html, type PropertyDeclarations, type TemplateResult } from 'lit';
import type { SessionError } from '../../core/session/session-error.ts';
import type { SessionInfo } from '../../core/session/session-list.ts';
import type { Uploader } from '../../core/uploader.ts';
import { icon } from './icons.ts';
import { PartElement } from './part-element.ts';

/** How long the question stands before "Discard" is harmless again. */
const ASK_MS = 5_000;

/** By its name: an uploader of the script tag has a class of its own. */
export function isSessionError(error: unknown): error is SessionError {
  return error instanceof Error && error.name === 'SessionError';
}

/** An interrupted session: to resume, or to discard after one question. */
export class SessionRow extends PartElement {
  static override properties: PropertyDeclarations = {
    uploader: { attribute: false },
    session: { attribute: false },
    onNotice: { attribute: false },
    isAsking: { state: true },
    busy: { state: true },
  };
  declare uploader: Uploader;
  declare session: SessionInfo;
  declare onNotice: (words: string) => void;
  declare isAsking: boolean;
  declare busy: 'resuming' | 'discarding' | null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    this.isAsking = false;
    this.busy = null;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#timer);
  }

  protected override render(): TemplateResult {
    const { strings, session, busy } = this;
    const { what, advice } = strings.interrupted(session, Date.now());
    return html`<div class="session-row" part="session session-interrupted">
      ${icon('wait')}
      <p class="session-words"><strong>${what}</strong> ${advice}</p>
      <div class="session-buttons">
        <button
          type="button"
          class="button small ${this.isAsking ? 'danger' : 'quiet'}"
          part="button session-discard"
          ?disabled=${busy !== null}
          @click=${() => this.#discard()}
        >
          ${this.isAsking ? strings.sessionDiscardConfirm(session.left) : strings.sessionDiscard}
        </button>
        <button
          type="button"
          class="button small primary"
          part="button primary-button session-resume"
          ?disabled=${busy !== null}
          @click=${() => void this.#run('resuming', () => this.uploader.sessions.resume(session.id))}
        >
          ${busy === 'resuming' ? strings.sessionResuming : strings.sessionResume}
        </button>
      </div>
    </div>`;
  }

  #discard(): void {
    if (!this.isAsking) {
      this.isAsking = true;
      this.#timer = setTimeout(() => {
        this.isAsking = false;
      }, ASK_MS);
      return;
    }
    clearTimeout(this.#timer);
    void this.#run('discarding', async () => {
      await this.uploader.sessions.discard(this.session.id);
      this.onNotice(this.strings.discarded);
    });
  }

  async #run(busy: 'resuming' | 'discarding', act: () => Promise<unknown>): Promise<void> {
    this.busy = busy;
    try {
      await act();
    } catch (error) {
      if (!isSessionError(error)) throw error;
      this.onNotice(this.strings.sessionGone(error.code));
      await this.uploader.sessions.refresh();
    } finally {
      this.busy = null;
      this.isAsking = false;
    }
  }
}
