import { css } from 'lit';

/** Progress: one hull, three compartments. */
export const progress = css`
  .progress {
    box-shadow: var(--_shadow-m);
  }

  .progress-head {
    display: flex;
    align-items: center;
    justify-content: space-between;
    gap: 12px 20px;
    min-height: 82px;
    padding: 16px 22px;
    padding-inline-end: 18px;
  }

  .progress-words {
    display: flex;
    align-items: center;
    gap: 14px;
    min-width: 0;
  }

  .summary {
    font-weight: 620;
    font-size: 1.1333em;
    line-height: 1.35;
    letter-spacing: -0.018em;
    font-variant-numeric: tabular-nums;
  }

  .summary-part {
    white-space: nowrap;
  }

  .figures {
    margin-top: 2px;
    min-height: 1.5em;
    color: var(--_text-2);
    font-size: 0.9333em;
    font-variant-numeric: tabular-nums;
  }

  .badge {
    display: grid;
    place-items: center;
    width: 40px;
    height: 40px;
    flex: none;
    border-radius: 50%;
    background: color-mix(in srgb, var(--_stage-3) 13%, var(--_surface));
    color: var(--_good);
  }

  .badge .icon {
    stroke-width: 2.3;
  }

  .badge .icon-check path {
    stroke-dasharray: 24;
    animation: draw 0.5s 0.1s var(--_ease) both;
  }

  .has-failures .badge,
  .is-cancelled .badge {
    background: var(--_warn-soft);
    color: var(--_warn);
  }

  @keyframes draw {
    from {
      stroke-dashoffset: 24;
    }

    to {
      stroke-dashoffset: 0;
    }
  }

  .controls {
    display: flex;
    align-items: center;
    gap: 8px;
    flex: none;
  }

  .question {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    justify-content: flex-end;
    gap: 8px 12px;
    color: var(--_text-2);
    font-size: 0.9333em;
  }

  .question p {
    max-width: 340px;
    text-wrap: pretty;
  }

  .question div {
    display: flex;
    gap: 8px;
  }

  .question .button {
    font-size: 1em;
  }

  .banner {
    display: flex;
    align-items: center;
    gap: 10px;
    padding: 9px 22px;
    border-top: 1px solid var(--_warn-line);
    background: var(--_warn-soft);
    color: var(--_warn);
    font-weight: 550;
    font-size: 0.9333em;
    font-variant-numeric: tabular-nums;
  }

  .banner.is-calm {
    border-color: var(--_line);
    background: var(--_surface-2);
    color: var(--_text-2);
  }

  .banner .icon {
    width: 18px;
    height: 18px;
  }

  .stages {
    display: grid;
    grid-template-columns: repeat(3, minmax(0, 1fr));
    border-top: 1px solid var(--_line);
  }

  .stages > * + * {
    border-inline-start: 1px solid var(--_line);
  }

  .stage {
    --_hue: var(--_stage-1);
    position: relative;
    height: 100%;
    padding: 15px 22px 20px;
    overflow: hidden;
  }

  .stage-processed {
    --_hue: var(--_stage-2);
  }

  .stage-searchable {
    --_hue: var(--_stage-3);
  }

  /* Full: the compartment is sealed, and shows it. */
  .stage-level {
    position: absolute;
    inset: 0;
    background: color-mix(in srgb, var(--_hue) 8%, var(--_surface));
    opacity: 0;
    transition: opacity 0.5s;
  }

  .stage.is-full .stage-level {
    opacity: 1;
  }

  .stage-head {
    position: relative;
    display: flex;
    flex-wrap: wrap;
    align-items: baseline;
    justify-content: space-between;
    gap: 0 8px;
  }

  .stage-label {
    display: inline-flex;
    align-items: center;
    gap: 8px;
    color: var(--_text-2);
    font-weight: 550;
    font-size: 0.9333em;
  }

  .stage-label::before {
    content: '';
    width: 8px;
    height: 8px;
    border-radius: 50%;
    background: var(--_hue);
  }

  .stage-count {
    color: var(--_text-3);
    font-weight: 500;
    font-size: 1.1333em;
    letter-spacing: -0.02em;
    font-variant-numeric: tabular-nums;
  }

  .stage-count b {
    color: var(--_text);
    font-weight: 640;
  }

  .bar {
    position: relative;
    height: 8px;
    margin-top: 11px;
    overflow: hidden;
    border-radius: 4px;
    background: color-mix(in srgb, var(--_hue) 15%, var(--_surface-3));
  }

  .bar-fill,
  .bar-lost {
    position: absolute;
    inset: 0;
    transform: scaleX(0);
    transform-origin: left;
    overflow: hidden;
    background: var(--_hue);
    transition: transform 0.35s linear;
  }

  .bar-lost {
    transform-origin: right;
    background: color-mix(in srgb, var(--_bad) 72%, var(--_surface-3));
  }

  :host(:dir(rtl)) .bar-fill {
    transform-origin: right;
  }

  :host(:dir(rtl)) .bar-lost {
    transform-origin: left;
  }

  .stage.is-active .bar-fill::after {
    content: '';
    position: absolute;
    inset: 0;
    background: linear-gradient(90deg, transparent, rgb(255 255 255 / 38%), transparent);
    animation: flow 1.8s linear infinite;
  }

  @keyframes flow {
    from {
      transform: translateX(-100%);
    }

    to {
      transform: translateX(100%);
    }
  }

  :host(:dir(rtl)) .stage.is-active .bar-fill::after {
    animation-direction: reverse;
  }

  @container bulkhead (max-width: 820px) {
    .progress-head {
      flex-direction: column;
      align-items: stretch;
    }

    .is-done .progress-head {
      flex-direction: row;
      align-items: flex-start;
    }

    .question {
      justify-content: flex-start;
    }
  }

  @container bulkhead (max-width: 640px) {
    .summary {
      font-size: 1em;
    }

    .progress-head,
    .banner,
    .stage {
      padding-inline: 16px;
    }

    .stages {
      grid-template-columns: minmax(0, 1fr);
    }

    .stage {
      padding-block: 11px 13px;
    }

    .stages > * + * {
      border-inline-start: 0;
      border-top: 1px solid var(--_line);
    }

    .bar {
      margin-top: 7px;
      height: 6px;
    }
  }
`;
