import type { Upload } from '../../core/upload-state.ts';
import type { UploadErrorCode, UploadFailure } from '../../errors/upload-error.ts';

/** An upload that ended without success: by the status, it has a failure. */
export type FailedUpload = Extract<Upload, { readonly failure: UploadFailure }>;

/** Trying again the same bytes gives the same answer; the words say what to do instead. */
const HOPELESS: ReadonlySet<UploadErrorCode> = new Set([
  'decoder_crashed',
  'empty_file',
  'file_too_large',
  'file_unreadable',
  'invalid_name',
  'not_an_image',
  'svg_refused',
  'too_many_files',
  'too_many_pixels',
  'undecodable',
  'unsupported_type',
]);

export function isFailed(upload: Upload): upload is FailedUpload {
  return 'failure' in upload;
}

/** Whether a retry is worth offering. */
export function canRetry(upload: Upload): boolean {
  if (upload.status === 'cancelled') return true;
  if (!isFailed(upload) || upload.status === 'rejected') return false;
  return !HOPELESS.has(upload.failure.code);
}

/** All failures of one code. Changes cost the same however many there are. */
export class Cause {
  readonly key: string;
  readonly code: UploadErrorCode;
  readonly isRetryable: boolean;
  readonly uploads = new Map<string, FailedUpload>();

  constructor(key: string, code: UploadErrorCode, isRetryable: boolean) {
    this.key = key;
    this.code = code;
    this.isRetryable = isRetryable;
  }

  /** The first so many, oldest first. */
  first(count: number): FailedUpload[] {
    const first: FailedUpload[] = [];
    for (const upload of this.uploads.values()) {
      if (first.length === count) break;
      first.push(upload);
    }
    return first;
  }
}

/** The failures of an uploader, by cause. */
export class CauseBook {
  readonly #causes = new Map<string, Cause>();
  /** The cause under which each upload stands. */
  readonly #keys = new Map<string, string>();

  /** Failed files in all. */
  get count(): number {
    return this.#keys.size;
  }

  /** Those a retry may help first, each with the largest first. */
  list(): Cause[] {
    return [...this.#causes.values()].sort(
      (a, b) => Number(b.isRetryable) - Number(a.isRetryable) || b.uploads.size - a.uploads.size,
    );
  }

  /** Notes where an upload stands now. @returns whether that changed anything here */
  note(upload: Upload): boolean {
    const wasThere = this.remove(upload.id);
    if (!isFailed(upload)) return wasThere;
    const isRetryable = canRetry(upload);
    const { code } = upload.failure;
    const key = `${code} ${isRetryable ? 'may-pass' : 'final'}`;
    let cause = this.#causes.get(key);
    if (cause === undefined) {
      cause = new Cause(key, code, isRetryable);
      this.#causes.set(key, cause);
    }
    cause.uploads.set(upload.id, upload);
    this.#keys.set(upload.id, key);
    return true;
  }

  has(id: string): boolean {
    return this.#keys.has(id);
  }

  remove(id: string): boolean {
    const key = this.#keys.get(id);
    if (key === undefined) return false;
    this.#keys.delete(id);
    const cause = this.#causes.get(key);
    cause?.uploads.delete(id);
    if (cause?.uploads.size === 0) this.#causes.delete(key);
    return true;
  }
}
