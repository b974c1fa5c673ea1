import { css } from 'lit';

/** What every part shares: frame, buttons, icons. */
export const base = css`
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }

  p,
  ul,
  ol {
    margin: 0;
    padding: 0;
    list-style: none;
  }

  button,
  input {
    font: inherit;
    color: inherit;
  }

  [hidden] {
    display: none !important;
  }

  :focus-visible {
    outline: 2px solid var(--_accent);
    outline-offset: 2px;
  }

  .root {
    display: flex;
    flex-direction: column;
    gap: var(--_gap);
    container: bulkhead / inline-size;
  }

  bulkhead-uploader-zone,
  bulkhead-uploader-notices,
  bulkhead-uploader-sessions,
  bulkhead-uploader-session,
  bulkhead-uploader-progress,
  bulkhead-uploader-stage,
  bulkhead-uploader-failures,
  bulkhead-uploader-failed-file,
  bulkhead-uploader-list,
  bulkhead-uploader-row {
    display: block;
    min-width: 0;
  }

  /* A part without anything to show takes no gap. */
  .root > :not(:has(> *)):not(.announcer) {
    display: contents;
  }

  /* The empty region has to be there for screen readers. */
  bulkhead-uploader-notices:not(:has(.notice)) {
    position: absolute;
  }

  .panel {
    overflow: hidden;
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    background: var(--_surface);
    box-shadow: var(--_shadow-s);
    animation: rise 0.35s var(--_ease);
  }

  @keyframes rise {
    from {
      opacity: 0;
      transform: translateY(8px);
    }
  }

  .announcer {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }

  .icon {
    width: 20px;
    height: 20px;
    flex: none;
    fill: none;
    stroke: currentcolor;
    stroke-width: 1.7;
    stroke-linecap: round;
    stroke-linejoin: round;
  }

  .button {
    display: inline-flex;
    align-items: center;
    justify-content: center;
    gap: 7px;
    min-height: 2.4em;
    padding: 0.2em 1em;
    border: 1px solid var(--_line);
    border-radius: var(--_radius-button);
    background: var(--_surface);
    box-shadow: var(--_shadow-s);
    color: var(--_text);
    font-weight: 550;
    font-size: 0.9333em;
    letter-spacing: -0.005em;
    white-space: nowrap;
    cursor: pointer;
    transition:
      background 0.15s,
      border-color 0.15s;
  }

  .button:hover {
    border-color: var(--_line-strong);
    background: var(--_surface-2);
  }

  .button:active {
    transform: translateY(0.5px);
  }

  .button:disabled {
    opacity: 0.55;
    cursor: default;
  }

  .button .icon {
    width: 16px;
    height: 16px;
    stroke-width: 2;
  }

  .button.primary {
    border-color: transparent;
    background: var(--_ink);
    color: var(--_on-ink);
  }

  .button.primary:hover {
    background: color-mix(in srgb, var(--_ink) 86%, var(--_on-ink));
  }

  .button.danger {
    border-color: color-mix(in srgb, var(--_bad) 40%, transparent);
    color: var(--_bad);
  }

  .button.danger:hover {
    background: var(--_bad-soft);
  }

  .button.quiet {
    border-color: transparent;
    background: transparent;
    box-shadow: none;
    color: var(--_text-2);
  }

  .button.quiet:hover {
    background: var(--_surface-3);
    color: var(--_text);
  }

  .button.small {
    min-height: 2.3em;
    padding: 0.15em 0.75em;
    border-radius: calc(var(--_radius-button) - 1px);
    font-size: 0.8667em;
  }

  .icon-button {
    display: inline-grid;
    place-items: center;
    flex: none;
    width: 36px;
    height: 36px;
    padding: 0;
    border: 0;
    border-radius: 10px;
    background: transparent;
    color: var(--_text-2);
    cursor: pointer;
    transition: background 0.15s;
  }

  .icon-button:hover {
    background: var(--_surface-3);
    color: var(--_text);
  }

  .icon-button.small {
    width: 30px;
    height: 30px;
  }

  .icon-button.small .icon {
    width: 17px;
    height: 17px;
  }

  .notices {
    display: flex;
    flex-direction: column;
    gap: 8px;
  }

  .notice {
    display: flex;
    align-items: center;
    gap: 10px;
    padding-block: 5px;
    padding-inline: 18px 8px;
    border: 1px solid var(--_line);
    border-radius: calc(var(--_radius) - 4px);
    background: var(--_surface-2);
    color: var(--_text-2);
    font-size: 0.9333em;
    animation: rise 0.35s var(--_ease);
  }

  .notice p {
    flex: 1;
    text-wrap: pretty;
  }

  .notice > .icon {
    width: 18px;
    height: 18px;
  }

  @media (forced-colors: active) {
    .bar,
    .row-bar {
      border: 1px solid CanvasText;
    }

    .bar-fill,
    .row-fill {
      forced-color-adjust: none;
      background: Highlight;
    }

    .filter[aria-pressed='true'] {
      forced-color-adjust: none;
      background: Highlight;
      color: HighlightText;
    }
  }

  @media (prefers-reduced-motion: reduce) {
    *,
    *::before,
    *::after {
      animation-duration: 0.01ms !important;
      animation-iteration-count: 1 !important;
      transition-duration: 0.01ms !important;
      scroll-behavior: auto !important;
    }
  }
`;
