import { checksumSchema, clientIdSchema } from 'bulkhead/protocol';
import { ProblemError } from '../problem-error.ts';
import { isText } from './validate-file.ts';

const MAX_FIELD_BYTES = 4096;

/** What may stand in a form beside its file. */
export const LEGACY_FIELDS = ['clientId', 'path', 'checksum'] as const;
export type LegacyField = (typeof LEGACY_FIELDS)[number];

export function isLegacyField(name: string): name is LegacyField {
  return LEGACY_FIELDS.some((field) => field === name);
}

/**
 * Reads one field, and judges it where a query goes by it. An empty client id is none.
 * @throws {ProblemError} `invalid_request`, `body_too_large`
 */
export async function readLegacyField(
  name: LegacyField,
  chunks: AsyncIterable<Uint8Array>,
): Promise<string> {
  const text = await readText(name, chunks);
  if (name === 'checksum' && !checksumSchema.safeParse(text).success) {
    throw new ProblemError('invalid_request', 'checksum: expected 64 lower-case hex digits');
  }
  const isClientId = clientIdSchema.safeParse(text).success && isText(text);
  if (name === 'clientId' && text !== '' && !isClientId) {
    const expected = 'at most 128 characters of well-formed text without NUL';
    throw new ProblemError('invalid_request', `clientId: expected ${expected}`);
  }
  return text;
}

async function readText(name: LegacyField, chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.byteLength;
    if (length > MAX_FIELD_BYTES) {
      throw new ProblemError('body_too_large', `${name} has more than ${MAX_FIELD_BYTES} bytes`);
    }
    pieces.push(chunk);
  }
  return Buffer.concat(pieces).toString('utf8');
}
