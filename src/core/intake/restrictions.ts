import * as z from 'zod/mini';
import { UploadError } from '../../errors/upload-error.ts';

/** What may be added. Checked before a byte is read; the server checks again. */
export const restrictionsSchema = z.strictObject({
  /** Default 100 MB, the server kit's default. */
  maxFileSizeBytes: z._default(z.number().check(z.positive()), 100 * 1024 * 1024),
  /** Default 1, which refuses empty files. */
  minFileSizeBytes: z._default(z.number().check(z.nonnegative()), 1),
  /** Default 100,000: what was measured to keep the page responsive. */
  maxFiles: z._default(z.int().check(z.positive()), 100_000),
  /** All files together. Default: no limit. */
  maxTotalBytes: z.optional(z.number().check(z.positive())),
  /**
   * MIME types (`image/png`, `image/*`) and extensions (`.heic`). Default: any. A file whose type the
   * browser does not know is judged by its extension.
   */
  allowedTypes: z.optional(z.array(z.string())),
});
export type Restrictions = z.output<typeof restrictionsSchema>;
/**
 * What may be added.
 *
 * @interface
 */
export type RestrictionsInput = z.input<typeof restrictionsSchema>;

const EXTENSION_TYPES: Readonly<Record<string, string>> = {
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.png': 'image/png',
  '.webp': 'image/webp',
  '.avif': 'image/avif',
  '.gif': 'image/gif',
  '.heic': 'image/heic',
  '.heif': 'image/heif',
  '.tif': 'image/tiff',
  '.tiff': 'image/tiff',
};

/** The browser's MIME type, or the one its extension stands for; '' when neither tells. */
export function mimeTypeOf(file: { readonly name: string; readonly type: string }): string {
  return file.type || (EXTENSION_TYPES[extensionOf(file.name)] ?? '');
}

function extensionOf(name: string): string {
  const dot = name.lastIndexOf('.');
  return dot < 0 ? '' : name.slice(dot).toLowerCase();
}

/** `12 MB`, for messages. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 10 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Why `file` may not be added; undefined when it may. */
export function refusalOf(
  file: { readonly name: string; readonly type: string; readonly size: number },
  restrictions: Restrictions,
  filesSoFar: number,
  bytesSoFar: number,
): UploadError | undefined {
  const { maxFileSizeBytes, minFileSizeBytes, maxFiles, maxTotalBytes, allowedTypes } =
    restrictions;
  if (filesSoFar >= maxFiles) {
    const message = `Only ${maxFiles} files can be uploaded at a time.`;
    return new UploadError('too_many_files', message);
  }
  if (file.size < minFileSizeBytes) {
    const message =
      file.size === 0
        ? 'The file is empty.'
        : `The file has ${formatBytes(file.size)}; the least is ${formatBytes(minFileSizeBytes)}.`;
    return new UploadError('empty_file', message);
  }
  if (file.size > maxFileSizeBytes) {
    const message = `The file has ${formatBytes(file.size)}; the most is ${formatBytes(maxFileSizeBytes)}.`;
    return new UploadError('file_too_large', message);
  }
  if (maxTotalBytes !== undefined && bytesSoFar + file.size > maxTotalBytes) {
    const message = `All files together may have ${formatBytes(maxTotalBytes)}; this one would exceed that.`;
    return new UploadError('total_too_large', message);
  }
  if (allowedTypes && !isAllowed(file, allowedTypes)) {
    const what = mimeTypeOf(file) || extensionOf(file.name) || 'no type';
    const message = `Files of type ${what} are not taken; allowed: ${allowedTypes.join(', ')}.`;
    return new UploadError('unsupported_type', message);
  }
  return undefined;
}

function isAllowed(
  file: { readonly name: string; readonly type: string },
  allowedTypes: readonly string[],
): boolean {
  const type = mimeTypeOf(file);
  const extension = extensionOf(file.name);
  return allowedTypes.some((allowed) => {
    if (allowed.startsWith('.')) return allowed.toLowerCase() === extension;
    if (allowed.endsWith('/*')) return type.startsWith(allowed.slice(0, -1));
    return allowed === type;
  });
}
