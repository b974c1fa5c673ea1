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
  if (Number(request.headers.get('content-length') ?? 0) > MAX_JSON_BYTES) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of webBody(request).chunks()) {
    length += chunk.byteLength;
    if (length > MAX_JSON_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)));
  } catch (cause) {
    throw new ProblemError('invalid_json', undefined, { cause });
  }
}

function tooLarge(): ProblemError {
  return new ProblemError('body_too_large', `A body may have at most ${MAX_JSON_BYTES} bytes`);
}
