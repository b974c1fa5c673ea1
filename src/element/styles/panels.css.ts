import { css } from 'lit';

/** What earlier visits began, and what failed, by cause. */
export const panels = css`
  .session-row {
    display: flex;
    align-items: center;
    gap: 8px 12px;
    padding: 11px 20px;
    padding-inline-end: 18px;
  }

  .sessions > * + *,
  .sessions > * + * > .session-row {
    border-top: 1px solid var(--_line);
  }

  .sessions > bulkhead-uploader-session {
    border-top: 0;
  }

  .sessions > bulkhead-uploader-session:first-child > .session-row {
    border-top: 0;
  }

  .session-row > .icon {
    flex: none;
    width: 18px;
    height: 18px;
    color: var(--_text-3);
  }

  .session-words {
    flex: 1;
    min-width: 0;
    color: var(--_text-2);
    font-size: 0.9667em;
    font-variant-numeric: tabular-nums;
    text-wrap: pretty;
  }

  .session-words strong {
    color: var(--_text);
    font-weight: 600;
  }

  .session-row.is-alert {
    background: var(--_warn-soft);
  }

  .session-row.is-alert > .icon,
  .session-row.is-alert strong {
    color: var(--_warn);
  }

  .session-buttons {
    display: flex;
    flex: none;
    gap: 8px;
  }

  .failures-head {
    display: flex;
    align-items: center;
    justify-content: space-between;
    flex-wrap: wrap;
    gap: 8px 16px;
    padding: 13px 22px;
    padding-inline-end: 18px;
  }

  .failures-title {
    display: flex;
    align-items: center;
    gap: 10px;
    font-weight: 620;
    font-size: 1.0667em;
    letter-spacing: -0.015em;
  }

  .failures-title .icon {
    color: var(--_warn);
  }

  .failures-actions {
    display: flex;
    flex-wrap: wrap;
    gap: 8px;
  }

  .cause {
    border-top: 1px solid var(--_line);
  }

  .cause-head {
    display: flex;
    align-items: center;
    gap: 10px;
    padding-inline-end: 18px;
  }

  .cause-head:hover {
    background: var(--_surface-2);
  }

  .cause-head > .button {
    flex: none;
  }

  .cause-toggle {
    display: grid;
    grid-template-columns: 20px auto minmax(0, 1fr);
    align-items: center;
    gap: 10px;
    flex: 1;
    min-width: 0;
    padding: 10px 0;
    padding-inline-start: 20px;
    border: 0;
    background: none;
    text-align: start;
    cursor: pointer;
  }

  .cause-toggle:focus-visible {
    outline-offset: -3px;
    border-radius: 8px;
  }

  .cause-toggle > .icon {
    width: 16px;
    height: 16px;
    color: var(--_text-3);
    transition: rotate 0.2s var(--_ease);
  }

  :host(:dir(rtl)) .cause-toggle > .icon {
    rotate: 180deg;
  }

  .cause.is-open .cause-toggle > .icon,
  :host(:dir(rtl)) .cause.is-open .cause-toggle > .icon {
    rotate: 90deg;
  }

  .cause-count {
    min-width: 26px;
    padding: 1px 8px;
    border-radius: 20px;
    background: var(--_warn-soft);
    color: var(--_warn);
    font-weight: 640;
    font-size: 0.8667em;
    text-align: center;
    font-variant-numeric: tabular-nums;
  }

  .is-refused .cause-count {
    background: var(--_surface-3);
    color: var(--_text-2);
  }

  .cause-words {
    color: var(--_text-2);
    font-size: 0.9667em;
    text-wrap: pretty;
  }

  .cause-words strong {
    color: var(--_text);
    font-weight: 600;
  }

  .cause-names {
    display: block;
    overflow: hidden;
    color: var(--_text-3);
    font-size: 0.9333em;
    text-overflow: ellipsis;
    white-space: nowrap;
  }

  .cause-files {
    padding-inline: 50px 18px;
    padding-bottom: 12px;
  }

  .failed-file {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 2px 10px;
    min-height: 40px;
    padding: 4px 0;
    border-top: 1px solid var(--_line);
    font-size: 0.9333em;
  }

  .failed-file .button {
    font-size: 0.9286em;
  }

  .failed-file bdi {
    flex: 1;
    min-width: 40%;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }

  .failed-file .size {
    color: var(--_text-3);
    font-size: 0.9286em;
    font-variant-numeric: tabular-nums;
  }

  .failed-file .detail {
    flex-basis: 100%;
    padding-bottom: 4px;
    color: var(--_text-2);
    font-size: 0.9286em;
  }

  .attempts {
    flex-basis: 100%;
    margin-bottom: 6px;
    padding: 8px 12px;
    border-radius: 8px;
    background: var(--_surface-2);
    color: var(--_text-2);
    font-size: 0.9286em;
    font-variant-numeric: tabular-nums;
  }

  .attempts code {
    color: var(--_text-3);
    font: 500 0.9286em ui-monospace, 'SF Mono', Menlo, Consolas, monospace;
  }

  .cause-more {
    padding-top: 9px;
    border-top: 1px solid var(--_line);
    color: var(--_text-3);
    font-size: 0.9em;
  }

  @container bulkhead (max-width: 640px) {
    .session-row {
      flex-wrap: wrap;
      padding-inline: 16px;
    }

    .session-words {
      flex-basis: calc(100% - 40px);
    }

    .session-buttons {
      flex: 1;
      justify-content: flex-end;
    }

    .failures-head,
    .cause-files {
      padding-inline: 14px;
    }

    .cause-head {
      flex-direction: column;
      align-items: stretch;
      gap: 0;
      padding-inline: 14px;
      padding-bottom: 0;
    }

    .cause-head > .button {
      align-self: flex-start;
      margin-inline-start: 30px;
      margin-bottom: 10px;
    }

    .cause-toggle {
      padding-inline-start: 0;
    }
  }
`;
