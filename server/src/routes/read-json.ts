import { MAX_JSON_BYTES } from 'bulkhead/protocol';
import { webBody } from '../blobs/request-body.ts';
import { ProblemError } from '../problem-error.ts';

/**
 * Reads a JSON body of at most {@link MAX_JSON_BYTES}, counted while it streams in: a declared
 * length is not believed.
 * @throws {ProblemError} `unsupported_media_type`, `body_too_large`, `invalid_json`.
 * @throws {BodyAbortedError} when the client goes away.
 */
export async function readJson(request: Request): Promise<unknown> {
  const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json') throw new ProblemError('unsupported_media_type');
  const text = await readText(request, MAX_JSON_BYTES);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ProblemError('invalid_json', undefined, { cause });
  }
}

/**
 * Reads a body of UTF-8 text as it is, of at most `maxBytes`.
 * @throws {ProblemError} `body_too_large`, `invalid_json` when it is not UTF-8.
 * @throws {BodyAbortedError} when the client goes away.
 */
export async function readText(request: Request, maxBytes: number): Promise<string> {
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of webBody(request).chunks()) {
    length += chunk.byteLength;
    if (length > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch (cause) {
    throw new ProblemError('invalid_json', undefined, { cause });
  }
}

function tooLarge(maxBytes: number): ProblemError {
  return new ProblemError('body_too_large', `A body may have at most ${maxBytes} bytes`);
}
