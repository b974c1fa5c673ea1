import { html, type PropertyDeclarations, type TemplateResult } from 'lit';
import { PartElement } from './part-element.ts';

/** One labelled bar: how many of all files have passed a stage, and how many never will. */
export class StageBar extends PartElement {
  static override properties: PropertyDeclarations = {
    name: { attribute: false },
    label: { attribute: false },
    done: { attribute: false },
    lost: { attribute: false },
    total: { attribute: false },
    isActive: { attribute: false },
  };
  declare name: 'uploaded' | 'processed' | 'searchable';
  declare label: string;
  declare done: number;
  declare lost: number;
  declare total: number;
  declare isActive: boolean;

  protected override render(): TemplateResult {
    const { name, label, done, total } = this;
    const isFull = total > 0 && done === total;
    const isActive = this.isActive && !isFull;
    return html`<div
      class="stage stage-${name} ${isActive ? 'is-active' : ''} ${isFull ? 'is-full' : ''}"
      part="stage stage-${name}"
    >
      <div class="stage-level"></div>
      <div class="stage-head">
        <p class="stage-label">${label}</p>
        <p class="stage-count" part="stage-count count-${name}"><b>${done}</b>/${total}</p>
      </div>
      <div
        class="bar"
        part="bar"
        role="progressbar"
        aria-label=${label}
        aria-valuemin="0"
        aria-valuemax=${Math.max(1, total)}
        aria-valuenow=${done}
        aria-valuetext=${this.strings.stageValue(done, total)}
      >
        <div class="bar-fill"></div>
        <div class="bar-lost"></div>
      </div>
    </div>`;
  }

  protected override updated(): void {
    const { done, lost, total } = this;
    // Transforms only: a bar that moves ten times a second must not cost a layout.
    this.#scale('.bar-fill', total === 0 ? 0 : done / total);
    this.#scale('.bar-lost', total === 0 ? 0 : lost / total);
  }

  #scale(selector: string, share: number): void {
    const bar = this.querySelector<HTMLElement>(selector);
    if (bar) bar.style.transform = `scaleX(${share.toFixed(4)})`;
  }
}
