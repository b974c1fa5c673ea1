import { describeFailure, type Upload, type UploadErrorCode, type UploadFailure } from 'bulkhead';

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

interface Words {
  /** What happened, one sentence. */
  readonly what: string;
  /** What to do about it; may be ''. */
  readonly advice: string;
}

/** For causes whose own words speak of one file's size, type or place in line. */
const HEADINGS: Partial<Record<UploadErrorCode, Words>> = {
  file_too_large: {
    what: 'Larger than this library takes.',
    advice: 'Make it smaller, then add it again.',
  },
  unsupported_type: {
    what: 'Not a type this library takes.',
    advice: 'Export it as JPEG, PNG, WebP, AVIF, GIF or HEIC.',
  },
  invalid_name: {
    what: 'The file name cannot be stored.',
    advice: 'Rename the file, then add it again.',
  },
  too_many_files: {
    what: 'Too many files at once.',
    advice: 'Add the rest when these are done.',
  },
  store_refused: {
    what: 'The object store refused the bytes.',
    advice: 'Retry; if it happens again, look at the store’s log.',
  },
};

export function isFailed(upload: Upload): upload is FailedUpload {
  return 'failure' in upload;
}

export function canRetry(upload: FailedUpload): boolean {
  if (upload.status === 'rejected') return false;
  return !HOPELESS.has(upload.failure.code);
}

/** All failures of one code. Changes cost the same however many there are. */
export class Cause {
  readonly code: UploadErrorCode;
  readonly isRetryable: boolean;
  readonly uploads = new Map<string, FailedUpload>();

  constructor(code: UploadErrorCode, isRetryable: boolean) {
    this.code = code;
    this.isRetryable = isRetryable;
  }

  /** The cause in words that fit all of its files. */
  heading(): Words {
    const heading = HEADINGS[this.code];
    if (heading !== undefined) return heading;
    const first = this.uploads.values().next().value;
    return first === undefined ? { what: '', advice: '' } : wordsOf(first);
  }

  /** A file's own words, where the heading does not say them already. */
  detail(upload: FailedUpload): string {
    const { what, advice } = this.heading();
    const own = wordsOf(upload);
    const isSaid = own.what === what && own.advice === advice;
    return isSaid ? '' : describeFailure(upload.failure);
  }
}

/** The first sentence says what happened, the rest what to do. */
function wordsOf({ failure }: FailedUpload): Words {
  const words = describeFailure(failure);
  const end = words.search(/[.:] /);
  if (end < 0) return { what: words, advice: '' };
  const advice = words.slice(end + 2);
  return {
    what: `${words.slice(0, end)}.`,
    advice: advice.charAt(0).toUpperCase() + advice.slice(1),
  };
}

/** The failures of a session, by cause. */
export class CauseBook {
  readonly #causes = new Map<string, Cause>();
  #count = 0;

  /** Failed files in all. */
  get count(): number {
    return this.#count;
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
    const key = `${upload.failure.code} ${isRetryable}`;
    let cause = this.#causes.get(key);
    if (cause === undefined) {
      cause = new Cause(upload.failure.code, isRetryable);
      this.#causes.set(key, cause);
    }
    cause.uploads.set(upload.id, upload);
    this.#count += 1;
    return true;
  }

  has(id: string): boolean {
    for (const cause of this.#causes.values()) if (cause.uploads.has(id)) return true;
    return false;
  }

  remove(id: string): boolean {
    for (const [key, cause] of this.#causes) {
      if (!cause.uploads.delete(id)) continue;
      if (cause.uploads.size === 0) this.#causes.delete(key);
      this.#count -= 1;
      return true;
    }
    return false;
  }
}
