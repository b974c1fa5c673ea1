/**
 * `bulkhead/element`: importing it defines `<bulkhead-uploader>`.
 *
 * @module bulkhead/element
 */

import type { BulkheadUploader } from './bulkhead-uploader.ts';
import { registerElement } from './register.ts';

export { BulkheadUploader } from './bulkhead-uploader.ts';
export type { BulkheadUploaderEvents, BulkheadUploaderEventType } from './events.ts';
export type { RowFilter } from './model/row-book.ts';
export type { Phase, SessionState } from './model/session-state.ts';
export { englishStrings, formatDuration, formatTimeLeft, type Noun } from './words/english.ts';
export type { UploaderStrings, WhatAndAdvice } from './words/strings.ts';
export { visibleName } from './words/visible-name.ts';

declare global {
  interface HTMLElementTagNameMap {
    'bulkhead-uploader': BulkheadUploader;
  }
}

registerElement();
