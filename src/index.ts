/** `bulkhead`: takes thousands of files from one browser tab to a searchable library. */
export type { AddInput } from './core/intake/collect-files.ts';
export { formatBytes, type RestrictionsInput as Restrictions } from './core/intake/restrictions.ts';
export type {
  EventOf,
  Snapshot,
  UploaderEvent,
  UploaderEventType,
  WaitReason,
} from './core/types.ts';
export { isEnded, isStored, type Upload, type UploadStatus } from './core/upload-state.ts';
export type { AddResult, Uploader } from './core/uploader.ts';
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
  AdapterCapabilities,
  CredentialRequest,
  CredentialResult,
  FinalizeOutcome,
  FinalizeRequest,
  PutOutcome,
  PutRequest,
  UploadAdapter,
  WatchListener,
} from './transports/adapter.ts';
export { type BulkheadAdapterOptions, bulkheadAdapter } from './transports/bulkhead-adapter.ts';
