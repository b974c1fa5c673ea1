import { css } from 'lit';

/** The list: rows of one height, which grows with the text, placed by transforms. */
export const list = css`
  .filters {
    display: flex;
    flex-wrap: wrap;
    gap: 6px;
    padding: 12px 18px;
    border-bottom: 1px solid var(--_line);
  }

  .filter {
    display: inline-flex;
    align-items: center;
    gap: 7px;
    min-height: 2.2em;
    padding: 0.15em 0.85em;
    border: 1px solid transparent;
    border-radius: 2em;
    background: transparent;
    color: var(--_text-2);
    font-weight: 550;
    font-size: 0.9em;
    cursor: pointer;
    transition: background 0.15s;
  }

  .filter:hover {
    background: var(--_surface-2);
  }

  .filter[aria-pressed='true'] {
    background: var(--_surface-3);
    color: var(--_text);
  }

  .filter-count {
    color: var(--_text-3);
    font-weight: 500;
    font-variant-numeric: tabular-nums;
  }

  .filter[aria-pressed='true'] .filter-count {
    color: var(--_text-2);
  }

  .empty {
    padding: 28px 22px;
    color: var(--_text-3);
    text-align: center;
  }

  .rows {
    max-height: var(--bulkhead-list-height, 26em);
    overflow: hidden auto;
    overscroll-behavior: contain;
    /* Rows come and go: nothing may be pushed by it. */
    overflow-anchor: none;
    scrollbar-gutter: stable;
  }

  .rows-inner {
    position: relative;
    contain: layout style;
  }

  bulkhead-uploader-row {
    position: absolute;
    inset-block-start: 0;
    inset-inline: 0;
    height: 3.9em;
    contain: layout paint style;
  }

  bulkhead-uploader-row:focus-visible {
    outline-offset: -3px;
    border-radius: 10px;
  }

  .row {
    display: grid;
    grid-template-columns: 40px minmax(0, 5fr) minmax(0, 4fr) minmax(0, max-content);
    align-items: center;
    gap: 4px 14px;
    height: 100%;
    padding-inline: 18px 12px;
    border-bottom: 1px solid var(--_line);
  }

  bulkhead-uploader-row:hover .row {
    background: color-mix(in srgb, var(--_surface-2) 60%, transparent);
  }

  .row-picture {
    display: grid;
    place-items: center;
    width: 40px;
    height: 40px;
    overflow: hidden;
    border-radius: 8px;
    background: var(--_surface-2);
    color: var(--_text-3);
  }

  .row-picture img {
    width: 100%;
    height: 100%;
    object-fit: cover;
  }

  .row-file {
    min-width: 0;
  }

  .row-name,
  .row-facts {
    display: block;
    overflow: hidden;
    line-height: 1.4;
    text-overflow: ellipsis;
    white-space: nowrap;
  }

  .row-name {
    font-weight: 550;
    font-size: 0.9667em;
  }

  .row-facts {
    color: var(--_text-3);
    font-size: 0.8667em;
    font-variant-numeric: tabular-nums;
  }

  .row-status {
    display: flex;
    align-items: center;
    gap: 12px;
    min-width: 0;
    color: var(--_text-2);
    font-size: 0.9333em;
    font-variant-numeric: tabular-nums;
  }

  .row-words {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }

  .tone-sending .row-words {
    color: var(--_sending);
  }

  .tone-processing .row-words {
    color: var(--_processing);
  }

  .tone-done .row-words {
    color: var(--_good);
    font-weight: 550;
  }

  .tone-failed .row-words {
    color: var(--_bad);
  }

  .row-bar {
    flex: 1;
    max-width: 120px;
    height: 5px;
    overflow: hidden;
    border-radius: 3px;
    background: color-mix(in srgb, var(--_stage-1) 15%, var(--_surface-3));
  }

  .row-fill {
    display: block;
    height: 100%;
    background: var(--_stage-1);
    transform: scaleX(0);
    transform-origin: left;
    transition: transform 0.2s linear;
  }

  :host(:dir(rtl)) .row-fill {
    transform-origin: right;
  }

  .row-actions {
    display: flex;
    justify-content: flex-end;
    min-width: 30px;
  }

  @container bulkhead (max-width: 640px) {
    .filters {
      padding: 10px 8px;
      gap: 0;
    }

    .filter {
      gap: 5px;
      padding-inline: 0.6em;
      font-size: 0.8667em;
    }

    .row {
      grid-template-columns: 40px minmax(0, 1fr) minmax(0, max-content);
      grid-template-rows: auto auto;
      align-content: center;
      gap: 0 12px;
      padding-inline: 14px 8px;
    }

    .row-picture,
    .row-actions {
      grid-row: 1 / 3;
    }

    .row-actions {
      grid-column: 3;
    }

    .row-facts {
      display: none;
    }

    .row-status {
      grid-column: 2;
      grid-row: 2;
      font-size: 0.8667em;
    }
  }
`;
