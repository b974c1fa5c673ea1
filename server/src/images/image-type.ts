import { fileTypeFromBuffer } from 'file-type';
import { ImageError } from './image-error.ts';

/** What the server decodes. */
const IMAGE_TYPES = new Map([
  ['image/jpeg', 'image/jpeg'],
  ['image/png', 'image/png'],
  ['image/apng', 'image/png'],
  ['image/webp', 'image/webp'],
  ['image/gif', 'image/gif'],
  ['image/avif', 'image/avif'],
  ['image/heic', 'image/heic'],
  ['image/heic-sequence', 'image/heic'],
  ['image/heif', 'image/heif'],
  ['image/heif-sequence', 'image/heif'],
]);

/** Enough for every signature and for the prologue of an SVG. */
export const TYPE_SNIFF_BYTES = 4096;

/**
 * The MIME type of an image by its first bytes; names and declared types are never believed.
 * Throws `ImageError` (`svg_refused`, `not_an_image`).
 */
export async function sniffImageType(bytes: Uint8Array): Promise<string> {
  if (bytes.length === 0) throw new ImageError('not_an_image', 'The file is empty');
  const start = bytes.subarray(0, TYPE_SNIFF_BYTES);
  refuseMarkup(start);
  const detected = await fileTypeFromBuffer(start);
  const type = detected && IMAGE_TYPES.get(detected.mime);
  if (type !== undefined) return type;
  if (detected?.mime === 'image/svg+xml') throw svgRefused();
  throw new ImageError(
    'not_an_image',
    detected
      ? `The file is ${detected.mime}, not an image this server takes`
      : 'The file is not an image this server takes',
  );
}

/** SVG is markup that runs scripts wherever it is shown; so is HTML that calls itself an image. */
function refuseMarkup(start: Uint8Array): void {
  const text = decodeStart(start).trimStart();
  if (!text.startsWith('<')) return;
  if (/<(?:\w+:)?svg[\s>/]/i.test(text)) throw svgRefused();
  throw new ImageError('not_an_image', 'The file is text (XML or HTML), not an image');
}

/** UTF-16 where its byte order mark or its zero bytes say so, else UTF-8. */
function decodeStart(start: Uint8Array): string {
  const [first, second] = start;
  const isUtf16Le = (first === 0xff && second === 0xfe) || (first === 0x3c && second === 0);
  const isUtf16Be = (first === 0xfe && second === 0xff) || (first === 0 && second === 0x3c);
  if (isUtf16Le) return new TextDecoder('utf-16le').decode(start);
  if (isUtf16Be) return new TextDecoder('utf-16be').decode(start);
  return new TextDecoder().decode(start);
}

function svgRefused(): ImageError {
  return new ImageError('svg_refused', 'SVG files are not taken. Save the picture as PNG or WebP');
}
