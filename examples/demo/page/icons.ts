const namespace = 'http://www.w3.org/2000/svg';

/** Strokes on a 24 × 24 grid, drawn with the colour of the text around them. */
const paths = {
  alert: [
    'M12 8.5v4.5',
    'M12 16.4v.1',
    'M10.4 4 2.9 17.2A1.9 1.9 0 0 0 4.5 20h15a1.9 1.9 0 0 0 1.6-2.8L13.6 4a1.9 1.9 0 0 0-3.2 0Z',
  ],
  ban: ['M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z', 'm5.8 5.8 12.4 12.4'],
  broken: [
    'M4 15.5 8.5 11l3 3',
    'M20 11V6.5A2.5 2.5 0 0 0 17.5 4H15l-2 3.5 3 2.5-2 3',
    'M4 11V6.5A2.5 2.5 0 0 1 6.5 4H10',
    'M4 14v3.5A2.5 2.5 0 0 0 6.5 20h11a2.5 2.5 0 0 0 2.5-2.5V15',
  ],
  check: ['m5 12.5 4.6 4.6L19 7.5'],
  chevron: ['m9 6 6 6-6 6'],
  close: ['m6 6 12 12', 'M18 6 6 18'],
  download: ['M12 4v11', 'm7.5 11 4.5 4.5 4.5-4.5', 'M5 20h14'],
  left: ['m14.5 5.5-6.5 6.5 6.5 6.5'],
  like: [
    'M12 3.5 13.9 9a2 2 0 0 0 1.2 1.2L20.5 12l-5.4 1.9a2 2 0 0 0-1.2 1.2L12 20.5l-1.9-5.4a2 2 0 0 0-1.2-1.2L3.5 12l5.4-1.9A2 2 0 0 0 10.1 9Z',
  ],
  pause: ['M9 6v12', 'M15 6v12'],
  play: ['M8 5.5v13l10.5-6.5Z'],
  retry: ['M20 11.5A8 8 0 1 0 18 17', 'M20 5.5v6h-6'],
  right: ['m9.5 5.5 6.5 6.5-6.5 6.5'],
  up: ['M12 19V5.5', 'm6 11 6-6 6 6'],
  wait: ['M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z', 'M12 7.5V12l3 2'],
} as const;

export type IconName = keyof typeof paths;

/** An inline SVG; decorative, so hidden from screen readers: the control beside it has the words. */
export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(namespace, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  for (const d of paths[name]) {
    const path = document.createElementNS(namespace, 'path');
    path.setAttribute('d', d);
    svg.append(path);
  }
  return svg;
}
