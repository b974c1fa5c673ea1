import type { AddResult } from '../core/intake/intake.ts';
import type { Snapshot } from '../core/types.ts';
import type { Uploader } from '../core/uploader.ts';
import type { UploadFailure } from '../errors/upload-error.ts';
import type { SessionState } from './model/session-state.ts';

/** What the element tells the page, by type of event. All bubble, and leave shadow roots. */
export interface BulkheadUploaderEvents {
  /** The element has an uploader: the one that was set, or its own. */
  'bulkhead-ready': { readonly uploader: Uploader };
  /** A person gave files or folders, which are being read. */
  'bulkhead-adding': null;
  /** All that was given is taken in; uploading may be under way for long. */
  'bulkhead-added': AddResult;
  /** What was given could not be read. */
  'bulkhead-add-failed': { readonly error: unknown };
  /** Something else is going on: `none`, `uploading`, `processing`, `waiting`, `done`. */
  'bulkhead-phase-changed': SessionState;
  /** One file failed for good, or was refused. */
  'bulkhead-upload-failed': { readonly id: string; readonly failure: UploadFailure };
  /** Nothing is left to do. */
  'bulkhead-drained': Snapshot;
}

export type BulkheadUploaderEventType = keyof BulkheadUploaderEvents;

type EventMap = {
  [T in BulkheadUploaderEventType]: CustomEvent<BulkheadUploaderEvents[T]>;
};

declare global {
  interface HTMLElementEventMap extends EventMap {}
}

export function emit<T extends BulkheadUploaderEventType>(
  target: EventTarget,
  type: T,
  detail: BulkheadUploaderEvents[T],
): void {
  target.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
}
