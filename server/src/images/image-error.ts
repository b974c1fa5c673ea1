/**
 * Codes as on the wire. `processing_failed` and `decoder_crashed` may pass when tried again, the second
 * a few times only.
 */
export type ImageErrorCode =
  | 'undecodable'
  | 'too_many_pixels'
  | 'svg_refused'
  | 'not_an_image'
  | 'processing_failed'
  | 'decoder_crashed';

/** Why an image could not be rendered. The message is written for the person who uploaded it. */
export class ImageError extends Error {
  override readonly name = 'ImageError';
  readonly code: ImageErrorCode;
  constructor(code: ImageErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  /** True when the same bytes may succeed later: the machine was short of something. */
  get isTransient(): boolean {
    return this.code === 'processing_failed' || this.code === 'decoder_crashed';
  }
}

/** The machine's state, not the file's: errno codes of a full disk, exhausted memory or handles. */
const TRANSIENT_ERRNO = new Set([
  'ENOSPC',
  'ENOMEM',
  'EMFILE',
  'ENFILE',
  'EAGAIN',
  'EIO',
  'EDQUOT',
  'EROFS',
]);

/**
 * libvips and sharp report a lack of memory or time only in words: libvips' vips_malloc and
 * tracked_malloc say "out of memory", zlib and libheif "allocate", sharp's own limit "timeout".
 */
const TRANSIENT_WORDS =
  /out of memory|memory allocation|(?:cannot|unable to|failed to) allocate|^timeout/i;

/** libvips keeps large pictures in temporary files, and says of a full disk only this. */
const FULL_DISK_WORDS = /no space left on device|disk quota exceeded/i;

/** Turns what sharp threw into an {@link ImageError}. What is not known to pass is permanent. */
export function toImageError(error: unknown): ImageError {
  if (error instanceof ImageError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const line = firstLine(message);
  if (FULL_DISK_WORDS.test(message)) {
    const full = Object.assign(new Error(line, { cause: error }), { code: 'ENOSPC' });
    const detail = 'The server could not process the image: its disk is full';
    return new ImageError('processing_failed', detail, { cause: full });
  }
  const errno = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (TRANSIENT_ERRNO.has(errno) || TRANSIENT_WORDS.test(message)) {
    return new ImageError('processing_failed', `The server could not process the image: ${line}`, {
      cause: error,
    });
  }
  return new ImageError('undecodable', `The image is damaged or incomplete: ${line}`, {
    cause: error,
  });
}

/** libvips stacks several lines ("VipsJpeg: premature end…"); the first one says what happened. */
function firstLine(message: string): string {
  return (message.split('\n', 1)[0] ?? '').trim().slice(0, 200);
}
