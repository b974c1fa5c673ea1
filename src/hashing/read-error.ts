import { toFileError } from '../errors/file-error.ts';
import { UploadError } from '../errors/upload-error.ts';
import { type HashContext, patiently, StalledError } from './patiently.ts';

/** A drive that spins up takes up to ten seconds for its first byte. */
const PROBE_MS = 10_000;

/** What a failure while hashing means. */
export function toReadError(cause: unknown, signal: AbortSignal): UploadError {
  if (cause instanceof UploadError) return cause;
  if (signal.aborted) return new UploadError('cancelled', 'Hashing was cancelled.', { cause });
  return (
    toFileError(cause) ??
    toGoneError(cause) ??
    new UploadError('hashing_failed', `Hashing failed: ${String(cause)}`, { cause })
  );
}

/** Firefox says AbortError of a file that was deleted, though nobody aborted. */
function toGoneError(cause: unknown): UploadError | undefined {
  if (!(cause instanceof DOMException) || cause.name !== 'AbortError') return undefined;
  return new UploadError('file_unreadable', 'The file is no longer there.', { cause });
}

/**
 * Looks at a file after a read or a PUT that hung or ended early, by its first and last byte.
 *
 * @returns `file_unreadable` when there is nothing, `file_changed` when the end is missing, with a cause
 *   where the browser refused to read; undefined when both are there, or nothing answers within 10 s
 * @throws the signal's reason: a look that was broken off says nothing of the file
 */
export async function findFault(
  file: Blob,
  context: HashContext,
): Promise<UploadError | undefined> {
  const first = await probe(file.slice(0, 1), context);
  context.signal.throwIfAborted();
  if (first instanceof UploadError) return first;
  if (first === 'silent') return undefined;
  if (first === 'missing') {
    return new UploadError('file_unreadable', 'The file is no longer there, or it is empty now.');
  }
  const last = await probe(file.slice(-1), context);
  context.signal.throwIfAborted();
  if (last === 'there') return undefined;
  const cause = last instanceof UploadError ? last : undefined;
  return new UploadError('file_changed', 'The file changed: its end is missing.', { cause });
}

async function probe(
  byte: Blob,
  context: HashContext,
): Promise<'there' | 'missing' | 'silent' | UploadError> {
  try {
    const bytes = await patiently(byte.arrayBuffer(), PROBE_MS, context);
    return bytes.byteLength === byte.size ? 'there' : 'missing';
  } catch (cause) {
    return cause instanceof StalledError ? 'silent' : toReadError(cause, context.signal);
  }
}
