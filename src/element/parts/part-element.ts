import { LitElement, type PropertyDeclarations } from 'lit';
import type { UploaderStrings } from '../words/strings.ts';

/**
 * A part of the element. It renders into the element's one shadow root, not into one of its own: so that
 * `::part()` and ids reach all of it, and a single set of styles does.
 */
export abstract class PartElement extends LitElement {
  static override properties: PropertyDeclarations = { strings: { attribute: false } };
  declare strings: UploaderStrings;

  protected override createRenderRoot(): HTMLElement {
    return this;
  }
}
