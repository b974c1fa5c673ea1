import type { Uploader } from '../core/uploader.ts';
import {
  isSameProgress,
  type ProcessingProgress,
  processingProgressOf,
} from './processing-progress.ts';
import { useNearestUploader } from './uploader-context.ts';
import type { UploadsView } from './uploads-view.ts';
import { useUploads } from './use-uploads.ts';

const progressOf = ({ snapshot }: UploadsView): ProcessingProgress =>
  processingProgressOf(snapshot);

/**
 * How far all files are on their way to being searchable, from the server's event stream. The uploader opens
 * the stream when there is something to upload, before the first file is finalized, so that no news is missed;
 * it opens it anew when it breaks (or polls, where streams do not get through), and closes it when everything is
 * done. Any number of components share it.
 * Renders again only when one of these numbers changes.
 *
 * @param uploader default: the one of the nearest `<UploaderProvider>`
 * @throws Error when there is neither
 * @example
 * const { uploading, processing, searchable } = useProcessingProgress(uploader);
 * return <p>Uploading: {uploading.done}/{uploading.total}</p>;
 */
export function useProcessingProgress(uploader?: Uploader): ProcessingProgress {
  return useUploads(useNearestUploader(uploader), progressOf, isSameProgress);
}
