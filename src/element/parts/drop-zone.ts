import { html, type PropertyDeclarations, type TemplateResult } from 'lit';
import { zoneArt } from './icons.ts';
import { PartElement } from './part-element.ts';

/**
 * What a person can hand over: all of it goes to `uploader.add`.
 *
 * @inline
 */
export type Picked = File[] | DataTransfer;

/** Where files and folders are chosen. Drops and pastes are the host's: they may come from the whole page. */
export class DropZone extends PartElement {
  static override properties: PropertyDeclarations = {
    accept: { attribute: false },
    isCompact: { attribute: false },
    onTake: { attribute: false },
  };
  /** As of `<input accept>`. */
  declare accept: string;
  /** One line high, because there is something to see below. */
  declare isCompact: boolean;
  declare onTake: (picked: Picked) => void;

  /** Opens the browser's own dialogue. Call it on a click. */
  choose(what: 'files' | 'folder'): void {
    this.querySelector<HTMLInputElement>(`.${what}-input`)?.click();
  }

  protected override render(): TemplateResult {
    const { strings } = this;
    return html`<section
      class="zone ${this.isCompact ? 'is-compact' : 'is-large'}"
      part="drop-zone"
      aria-label=${strings.addFiles}
    >
      ${zoneArt()}
      <div class="zone-text">
        <p class="zone-title" part="drop-title">${strings.dropTitle}</p>
        <p class="zone-hint" part="drop-hint">
          <span class="zone-paste">${strings.dropHint}</span> <slot name="hint"></slot>
        </p>
      </div>
      <div class="zone-buttons">
        <button
          type="button"
          class="button primary"
          part="button primary-button choose-files"
          @click=${() => this.choose('files')}
        >
          ${strings.chooseFiles}
        </button>
        <button
          type="button"
          class="button"
          part="button choose-folder"
          @click=${() => this.choose('folder')}
        >
          ${strings.chooseFolder}
        </button>
      </div>
      <input
        class="files-input"
        part="files-input"
        type="file"
        multiple
        hidden
        accept=${this.accept}
        aria-label=${strings.chooseFiles}
        @change=${this.#changed}
      />
      <input
        class="folder-input"
        part="folder-input"
        type="file"
        webkitdirectory
        multiple
        hidden
        aria-label=${strings.chooseFolder}
        @change=${this.#changed}
      />
    </section>`;
  }

  #changed({ target }: Event): void {
    if (!(target instanceof HTMLInputElement) || !target.files?.length) return;
    // Emptying the input below empties its FileList too.
    const files = [...target.files];
    // The same folder chosen again must be a change.
    target.value = '';
    this.onTake(files);
  }
}
