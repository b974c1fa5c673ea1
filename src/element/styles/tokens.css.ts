import { css } from 'lit';

/** Colours, sizes and type: the only place where a raw value stands. Pairs are (light, dark). */
export const tokens = css`
  :host {
    color-scheme: light dark;

    --_surface: var(--bulkhead-surface, light-dark(#ffffff, #121419));
    --_surface-2: var(--bulkhead-surface-2, light-dark(#f3f4f6, #1a1d23));
    --_surface-3: var(--bulkhead-surface-3, light-dark(#e9ebee, #23272f));
    --_line: var(--bulkhead-line, light-dark(#e5e7eb, #242830));
    --_line-strong: var(--bulkhead-line-strong, light-dark(#bfc4cd, #3f4653));
    --_text: var(--bulkhead-text, light-dark(#0d1017, #f2f4f7));
    --_text-2: var(--bulkhead-text-2, light-dark(#4b5260, #a9b0bd));
    --_text-3: var(--bulkhead-text-3, light-dark(#626977, #8f97a5));

    --_ink: var(--bulkhead-primary, light-dark(#10131a, #f5f6f8));
    --_on-ink: var(--bulkhead-on-primary, light-dark(#ffffff, #0c0e12));
    --_accent: var(--bulkhead-accent, light-dark(#1762e6, #6ea8ff));

    /* The three stages, from open water to harbour. */
    --_stage-1: var(--bulkhead-stage-uploaded, light-dark(#2563eb, #5b9bff));
    --_stage-2: var(--bulkhead-stage-processed, light-dark(#0b8a94, #2cc0c9));
    --_stage-3: var(--bulkhead-stage-searchable, light-dark(#12875a, #35c98a));

    --_sending: light-dark(#1f56d0, #7fb1ff);
    --_processing: light-dark(#0a6f78, #4fd0d8);
    --_good: var(--bulkhead-good, light-dark(#0f7a50, #4ad69a));
    --_warn: var(--bulkhead-warn, light-dark(#8a4b09, #f2b560));
    --_warn-soft: var(--bulkhead-warn-soft, light-dark(#fff7ea, #241b0d));
    --_warn-line: light-dark(#f3dcb5, #46351a);
    --_bad: var(--bulkhead-bad, light-dark(#b42324, #ff8a85));
    --_bad-soft: var(--bulkhead-bad-soft, light-dark(#fdf0ef, #2a1415));

    --_radius: var(--bulkhead-radius, 18px);
    --_radius-button: var(--bulkhead-radius-button, 9px);
    --_gap: var(--bulkhead-gap, 16px);
    --_shadow-s: 0 1px 2px light-dark(rgb(13 16 23 / 6%), rgb(0 0 0 / 40%));
    --_shadow-m:
      0 1px 2px light-dark(rgb(13 16 23 / 5%), rgb(0 0 0 / 45%)),
      0 8px 24px -8px light-dark(rgb(13 16 23 / 10%), rgb(0 0 0 / 60%));
    --_ease: cubic-bezier(0.2, 0.7, 0.2, 1);

    display: block;
    position: relative;
    color: var(--_text);
    font: 400 var(--bulkhead-font-size, 0.9375rem) / 1.5
      var(
        --bulkhead-font,
        system-ui,
        -apple-system,
        'Segoe UI',
        Roboto,
        'Helvetica Neue',
        Arial,
        sans-serif
      );
    text-align: start;
  }

  :host([hidden]) {
    display: none;
  }

  :host([theme='light']) {
    color-scheme: light;
  }

  :host([theme='dark']) {
    color-scheme: dark;
  }
`;
