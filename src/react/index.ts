/**
 * `bulkhead/react`: the uploader in React 18 and 19.
 *
 * @module bulkhead/react
 */
'use client';

export type { ProcessingProgress, StageProgress } from './processing-progress.ts';
export { UploaderProvider } from './uploader-context.ts';
export type { UploadsView } from './uploads-view.ts';
export { useProcessingProgress } from './use-processing-progress.ts';
export { useUploader } from './use-uploader.ts';
export { useUploads } from './use-uploads.ts';
