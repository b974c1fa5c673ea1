import { type FileProblem, MAX_NAME_BYTES } from 'bulkhead/protocol';
import { fileProblem } from '../problem-error.ts';

/** The MIME types taken (those whose bytes finalize knows, see `sniffImageType`), with the aliases and extensions that stand for them. */
const TYPES: Record<string, readonly string[]> = {
  'image/jpeg': ['jpg', 'jpeg', 'jpe', 'jfif', 'image/jpg', 'image/pjpeg'],
  'image/png': ['png', 'image/x-png', 'image/apng'],
  'image/webp': ['webp'],
  'image/avif': ['avif'],
  'image/gif': ['gif'],
  'image/heic': ['heic', 'heics', 'image/heic-sequence'],
  'image/heif': ['heif', 'heifs', 'hif', 'image/heif-sequence'],
};
const TYPE_BY_ALIAS = new Map(
  Object.entries(TYPES).flatMap(([type, aliases]) => [
    [type, type],
    ...aliases.map((alias): [string, string] => [alias, type]),
  ]) as [string, string][],
);

/** What browsers say when they do not know. */
const UNKNOWN_TYPES = new Set(['', 'application/octet-stream', 'binary/octet-stream']);

export interface PromisedFile {
  clientId?: string | undefined;
  filename: string;
  path?: string | undefined;
  mimeType: string;
  size: number;
}

/** The content type to store the file under until its bytes have been seen, or why not. */
export type Validation = { ok: true; contentType: string } | { ok: false; problem: FileProblem };

/**
 * Judges a file by what its sender says of it, before a byte is sent. The bytes are judged at
 * finalize. Names are metadata: anything that can be stored is a name.
 */
export function validateFile(file: PromisedFile, maxFileBytes: number): Validation {
  const refuse = (problem: FileProblem): Validation => ({ ok: false, problem });
  if (file.size === 0) return refuse(fileProblem('empty_file'));
  if (file.size > maxFileBytes) {
    return refuse(
      fileProblem(
        'file_too_large',
        `The file has ${file.size} bytes; at most ${maxFileBytes} are taken`,
      ),
    );
  }
  for (const [what, name] of [
    ['name', file.filename],
    ['path', file.path ?? ''],
  ] as const) {
    const reason = unstorable(name);
    if (reason) return refuse(fileProblem('invalid_name', `The file's ${what} ${reason}`));
  }
  if (file.clientId !== undefined && !isText(file.clientId)) {
    return refuse(fileProblem('invalid_request', 'clientId must be well-formed text without NUL'));
  }
  const contentType = contentTypeOf(file);
  if (contentType === undefined) {
    return refuse(fileProblem('unsupported_type', `Taken are ${Object.keys(TYPES).join(', ')}`));
  }
  return { ok: true, contentType };
}

/** Whether it can be stored and comes back as it was. */
export function isText(value: string): boolean {
  return !/[\0\p{Surrogate}]/u.test(value);
}

function unstorable(name: string): string | undefined {
  if (name.includes('\0')) return 'contains a NUL character';
  // A lone surrogate has no UTF-8 form: it would come back as another name.
  if (/\p{Surrogate}/u.test(name)) return 'is not well-formed Unicode';
  if (Buffer.byteLength(name.normalize('NFC')) > MAX_NAME_BYTES) {
    return `is longer than ${MAX_NAME_BYTES} bytes`;
  }
  return undefined;
}

function contentTypeOf({ filename, mimeType }: PromisedFile): string | undefined {
  const essence = (mimeType.split(';')[0] ?? '').trim().toLowerCase();
  if (!UNKNOWN_TYPES.has(essence))
    return essence.includes('/') ? TYPE_BY_ALIAS.get(essence) : undefined;
  const extension = /\.([^./\\]+)$/.exec(filename)?.[1]?.toLowerCase();
  return extension === undefined ? undefined : TYPE_BY_ALIAS.get(extension);
}
