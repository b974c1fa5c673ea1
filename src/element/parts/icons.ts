import { html, svg, type TemplateResult } from 'lit';

/** Strokes on a 24 × 24 grid, drawn with the colour of the text around them. */
const PATHS = {
  alert: [
    'M12 8.5v4.5',
    'M12 16.4v.1',
    'M10.4 4 2.9 17.2A1.9 1.9 0 0 0 4.5 20h15a1.9 1.9 0 0 0 1.6-2.8L13.6 4a1.9 1.9 0 0 0-3.2 0Z',
  ],
  check: ['m5 12.5 4.6 4.6L19 7.5'],
  chevron: ['m9 6 6 6-6 6'],
  close: ['m6 6 12 12', 'M18 6 6 18'],
  download: ['M12 4v11', 'm7.5 11 4.5 4.5 4.5-4.5', 'M5 20h14'],
  file: ['M7 3.5h6.5L18.5 9v11.5H7A1.5 1.5 0 0 1 5.5 19V5A1.5 1.5 0 0 1 7 3.5Z', 'M13 3.5V9h5.5'],
  image: [
    'M5.5 4.5h13a2 2 0 0 1 2 2v11a2 2 0 0 1-2 2h-13a2 2 0 0 1-2-2v-11a2 2 0 0 1 2-2Z',
    'm4 16.5 5-5.5 4 4 2.5-2.5 4.5 4.5',
    'M15.5 9.2v.1',
  ],
  info: ['M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z', 'M12 11v5', 'M12 7.8v.1'],
  pause: ['M9 6v12', 'M15 6v12'],
  play: ['M8 5.5v13l10.5-6.5Z'],
  retry: ['M20 11.5A8 8 0 1 0 18 17', 'M20 5.5v6h-6'],
  wait: ['M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z', 'M12 7.5V12l3 2'],
} as const;

export type IconName = keyof typeof PATHS;

/** An inline SVG; decorative, so hidden from screen readers: the words beside it say the same. */
export function icon(name: IconName): TemplateResult {
  const paths = PATHS[name].map((d) => svg`<path d=${d} />`);
  return html`<svg class="icon icon-${name}" viewBox="0 0 24 24" aria-hidden="true">${paths}</svg>`;
}

/** Three photos, fanned: what the drop zone is for. */
export function zoneArt(): TemplateResult {
  return html`<svg class="zone-art" viewBox="0 0 96 64" aria-hidden="true">
    <rect class="art-back" x="8" y="12" width="44" height="34" rx="6" transform="rotate(-9 30 29)" />
    <rect class="art-mid" x="44" y="12" width="44" height="34" rx="6" transform="rotate(9 66 29)" />
    <g class="art-front">
      <rect x="25" y="12" width="46" height="38" rx="6.5" />
      <path d="m29 45 11.5-13 8 8.5 6-6L67 45" />
      <circle cx="57" cy="23" r="4" />
    </g>
  </svg>`;
}
