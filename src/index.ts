/**
 * `bulkhead`: takes thousands of files from one browser tab to a searchable library.
 *
 * @module bulkhead
 */

export type { FailedAttempt } from './core/attempt-log.ts';
export type { DeadLetter, DeadLetterSelector, DeadLetters } from './core/dead-letters.ts';
export type { Diagnosis, DiagnosisCheck } from './core/diagnosis/diagnosis.ts';
export type { AddInput } from './core/intake/collect-files.ts';
export type { AddOptions, AddResult } from './core/intake/intake.ts';
export { formatBytes, type RestrictionsInput as Restrictions } from './core/intake/restrictions.ts';
export type { ManifestEntry } from './core/manifest.ts';
export type { Order } from './core/row-queue.ts';
export { SessionError, type SessionErrorCode } from './core/session/session-error.ts';
export type { SessionInfo } from './core/session/session-list.ts';
export type { ResumeResult, Sessions } from './core/session/sessions.ts';
export type { Target } from './core/target.ts';
export type { Percentiles } from './core/telemetry/histogram.ts';
export type {
  TelemetryReport,
  TelemetrySink,
  TelemetrySpan,
  TelemetryStage,
} from './core/telemetry/telemetry.ts';
export type { Times } from './core/timeline.ts';
export type {
  EventOf,
  Snapshot,
  StopReason,
  UploaderEvent,
  UploaderEventType,
  WaitReason,
} from './core/types.ts';
export {
  isEnded,
  isStored,
  type Priority,
  type Upload,
  type UploadStatus,
} from './core/upload-state.ts';
export type { Uploader } from './core/uploader.ts';
export { createUploader, type UploaderOptions } from './create-uploader.ts';
export { describeFailure } from './errors/describe-failure.ts';
export { OptionError } from './errors/option-error.ts';
export {
  type FailureAction,
  type FailureKind,
  UploadError,
  type UploadErrorCode,
  type UploadFailure,
} from './errors/upload-error.ts';
export type { Hasher } from './hashing/hasher.ts';
export { type Runtime, systemRuntime } from './runtime/runtime.ts';
export type {
  ChecksumEntry,
  Journal,
  JournalChange,
  JournalEntry,
  SessionRecord,
  SessionSummary,
  StoredHandle,
} from './storage/journal.ts';
export type { SessionChannel, SessionMessage } from './storage/session-channel.ts';
export type { Release, SessionLocks } from './storage/session-locks.ts';
export type { UploadStorage } from './storage/upload-storage.ts';
export type {
  AdapterCapabilities,
  CredentialRequest,
  CredentialResult,
  FinalizeOutcome,
  FinalizeRequest,
  PackItem,
  PackOutcome,
  PackRequest,
  PutOutcome,
  PutRequest,
  ReconcileRequest,
  ReconcileResult,
  UploadAdapter,
  WatchListener,
} from './transports/adapter.ts';
export { type BulkheadAdapterOptions, bulkheadAdapter } from './transports/bulkhead-adapter.ts';
export type { AdapterDefinition } from './transports/complete-adapter.ts';
export { defineAdapter } from './transports/define-adapter.ts';
