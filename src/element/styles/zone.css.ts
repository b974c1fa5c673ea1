import { css } from 'lit';

/** With nothing else to show the drop zone is large; else it is one line. */
export const zone = css`
  .zone {
    display: flex;
    align-items: center;
    gap: 16px;
    padding: 14px 18px;
    border: 1.5px dashed var(--_line-strong);
    border-radius: calc(var(--_radius) - 4px);
    background: var(--_surface);
    transition:
      border-color 0.2s,
      background 0.2s;
  }

  .zone:hover {
    border-color: var(--_text-3);
  }

  .zone-art {
    width: 48px;
    height: 34px;
    flex: none;
    overflow: visible;
  }

  .zone-art rect {
    fill: var(--_surface);
    stroke: var(--_line-strong);
    stroke-width: 1.8;
  }

  .zone-art .art-back,
  .zone-art .art-mid {
    fill: var(--_surface-2);
    transform-box: fill-box;
    transform-origin: center;
    transition: translate 0.3s var(--_ease);
  }

  .zone:hover .art-back {
    translate: -3px 1px;
  }

  .zone:hover .art-mid {
    translate: 3px 1px;
  }

  .zone-art .art-front * {
    stroke: var(--_text-2);
    stroke-width: 2.2;
    stroke-linecap: round;
    stroke-linejoin: round;
  }

  .zone-art path,
  .zone-art circle {
    fill: none;
  }

  .zone-text {
    flex: 1;
    min-width: 0;
  }

  .zone-title {
    font-weight: 600;
    letter-spacing: -0.01em;
  }

  .zone-hint {
    color: var(--_text-3);
    font-size: 0.9em;
  }

  .zone-buttons {
    display: flex;
    flex-wrap: wrap;
    gap: 8px;
  }

  .zone.is-large {
    padding: 56px 24px;
    flex-direction: column;
    gap: 20px;
    border-radius: var(--_radius);
    text-align: center;
    box-shadow: var(--_shadow-m);
  }

  .is-large .zone-text {
    flex: none;
  }

  .is-large .zone-art {
    width: 112px;
    height: 75px;
  }

  .is-large .zone-title {
    font-size: 1.2em;
  }

  .is-large .zone-hint {
    margin-top: 2px;
  }

  .is-large .zone-buttons {
    justify-content: center;
  }

  .is-large .button {
    min-height: 2.8em;
    padding-inline: 1.35em;
    font-size: 1em;
  }

  .overlay {
    position: absolute;
    inset: 0;
    z-index: 2;
    display: grid;
    place-items: center;
    border-radius: var(--_radius);
    background: color-mix(in srgb, var(--_surface) 78%, transparent);
    backdrop-filter: blur(6px);
    pointer-events: none;
    animation: appear 0.15s;
  }

  .overlay.is-window {
    position: fixed;
    z-index: 60;
    padding: 20px;
    border-radius: 0;
  }

  .overlay::before {
    content: '';
    position: absolute;
    inset: 0;
    border: 2.5px dashed var(--_accent);
    border-radius: var(--_radius);
    background: color-mix(in srgb, var(--_accent) 7%, transparent);
  }

  .overlay.is-window::before {
    inset: 16px;
  }

  .overlay p {
    position: relative;
    padding: 14px 26px;
    border-radius: 14px;
    background: var(--_ink);
    color: var(--_on-ink);
    font-weight: 600;
    font-size: 1.2em;
    letter-spacing: -0.015em;
  }

  @keyframes appear {
    from {
      opacity: 0;
    }
  }

  @container bulkhead (max-width: 640px) {
    .zone {
      flex-wrap: wrap;
      padding: 14px;
    }

    .zone-text {
      flex-basis: calc(100% - 70px);
    }

    .zone-buttons {
      width: 100%;
    }

    .zone-buttons .button {
      flex: 1;
    }

    .zone.is-large {
      padding: 36px 18px 22px;
    }
  }
`;
