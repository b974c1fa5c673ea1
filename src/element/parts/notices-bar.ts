import { html, type PropertyDeclarations, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { icon } from './icons.ts';
import { PartElement } from './part-element.ts';

/** Something that a person should know and that needs no answer. */
export interface Notice {
  readonly id: number;
  readonly words: string;
}

/** Passing remarks, each until it is dismissed or the next files come. */
export class NoticesBar extends PartElement {
  static override properties: PropertyDeclarations = {
    notices: { attribute: false },
    onDismiss: { attribute: false },
  };
  declare notices: readonly Notice[];
  declare onDismiss: (id: number) => void;

  protected override render(): TemplateResult {
    // The region is there before its first notice, or screen readers would not read that one.
    return html`<div class="notices" part="notices" role="status">
      ${repeat(
        this.notices,
        ({ id }) => id,
        ({ id, words }) => html`<div class="notice" part="notice">
          ${icon('info')}
          <p>${words}</p>
          <button
            type="button"
            class="icon-button"
            part="icon-button dismiss-notice"
            aria-label=${this.strings.dismiss}
            @click=${() => this.onDismiss(id)}
          >
            ${icon('close')}
          </button>
        </div>`,
      )}
    </div>`;
  }
}
