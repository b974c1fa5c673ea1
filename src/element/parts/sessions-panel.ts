import { html, nothing, type PropertyDeclarations, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import type { SessionInfo } from '../../core/session/session-list.ts';
import type { Snapshot } from '../../core/types.ts';
import type { Uploader } from '../../core/uploader.ts';
import type { WhatAndAdvice } from '../words/strings.ts';
import { icon } from './icons.ts';
import { PartElement } from './part-element.ts';
import { isSessionError } from './session-row.ts';

/**
 * What earlier visits and other tabs began: to resume or to discard; and what waits for its files or for a
 * permission.
 */
export class SessionsPanel extends PartElement {
  static override properties: PropertyDeclarations = {
    uploader: { attribute: false },
    sessions: { attribute: false },
    snapshot: { attribute: false },
    onChoose: { attribute: false },
    onNotice: { attribute: false },
  };
  declare uploader: Uploader;
  declare sessions: readonly SessionInfo[];
  declare snapshot: Snapshot;
  /** The same files have to be chosen again. */
  declare onChoose: (what: 'files' | 'folder') => void;
  declare onNotice: (words: string) => void;

  protected override render(): TemplateResult | typeof nothing {
    const { strings, snapshot } = this;
    const { needsFile, needsPermission, uploaded } = snapshot;
    const interrupted = this.sessions.filter(({ state }) => state === 'interrupted');
    const elsewhere = this.sessions.filter(({ state }) => state === 'elsewhere');
    const rows = interrupted.length + elsewhere.length + needsFile + needsPermission;
    if (rows === 0) return nothing;
    return html`<section class="panel sessions" part="sessions" aria-label=${strings.sessions}>
      ${
        needsPermission > 0
          ? attention('session-permission', strings.needsPermission(needsPermission), [
              html`<button
              type="button"
              class="button small primary"
              part="button primary-button session-allow"
              @click=${() => void this.#allow()}
            >${strings.allowReading}</button>`,
            ])
          : nothing
      }
      ${
        needsFile > 0
          ? attention('session-files', strings.needsFiles(needsFile, uploaded), [
              html`<button
              type="button"
              class="button small"
              part="button session-choose-files"
              @click=${() => this.onChoose('files')}
            >${strings.chooseFiles}</button>`,
              html`<button
              type="button"
              class="button small primary"
              part="button primary-button session-choose-folder"
              @click=${() => this.onChoose('folder')}
            >${strings.chooseFolder}</button>`,
            ])
          : nothing
      }
      ${repeat(
        interrupted,
        ({ id }) => id,
        (session) => html`<bulkhead-uploader-session
          .strings=${strings}
          .uploader=${this.uploader}
          .session=${session}
          .onNotice=${this.onNotice}
        ></bulkhead-uploader-session>`,
      )}
      ${elsewhere.map((session) => calm('session-elsewhere', strings.elsewhere(session)))}
    </section>`;
  }

  async #allow(): Promise<void> {
    try {
      const found = await this.uploader.sessions.requestPermission();
      if (found === 0) this.onNotice(this.strings.notAllowed);
    } catch (error) {
      if (!isSessionError(error)) throw error;
      this.onNotice(this.strings.sessionGone(error.code));
    }
  }
}

function attention(part: string, words: WhatAndAdvice, buttons: readonly TemplateResult[]) {
  return html`<div class="session-row is-alert" part="session ${part}">
    ${icon('alert')}
    <p class="session-words"><strong>${words.what}</strong> ${words.advice}</p>
    <div class="session-buttons">${buttons}</div>
  </div>`;
}

function calm(part: string, words: WhatAndAdvice): TemplateResult {
  return html`<div class="session-row" part="session ${part}">
    ${icon('wait')}
    <p class="session-words"><strong>${words.what}</strong> ${words.advice}</p>
  </div>`;
}
