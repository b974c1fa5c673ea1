import { toKnownError, UploadError } from '../../errors/upload-error.ts';
import type {
  CredentialResult,
  FinalizeOutcome,
  PackOutcome,
  PutOutcome,
} from '../../transports/adapter.ts';

/*
 * Looks at what an adapter answers before anything is done with it. One that was written without types, or that
 * hands on JSON, may be wrong: then the file fails with words that say what came.
 */

type Fields = Readonly<Record<string, unknown>>;

const PUT = "'stored', 'lost' or { finalized: { id, … } }";

/** @returns one result for each file, whatever came */
export const credentialResults = (answer: unknown, count: number) =>
  results<CredentialResult>('credentials', answer, count, ({ status, credential, assetId }) => {
    if (status === 'duplicate') return isText(assetId) || "{ status: 'duplicate', assetId }";
    const expected = "{ status: 'granted', credential }";
    if (status !== 'granted' || !isFields(credential)) return expected;
    const { uploadUrl, headers, expiresInMs, assetId: id } = credential;
    const isWhole = typeof uploadUrl === 'string' && isText(id) && isFields(headers);
    if (isWhole && Number.isFinite(expiresInMs)) return true;
    return `${expected} with uploadUrl, assetId, headers and expiresInMs, not ${shapeOf(credential)}`;
  });

/** @returns one outcome for each file, whatever came */
export const finalizeOutcomes = (answer: unknown, count: number) =>
  results<FinalizeOutcome>('finalize', answer, count, ({ status, asset }) => {
    return (status === 'finalized' && isAsset(asset)) || "{ status: 'finalized', asset }";
  });

/** @returns one outcome for each file, whatever came */
export const packOutcomes = (answer: unknown, count: number): PackOutcome[] =>
  each(answer, count, (came, subject) => {
    if (isPutOutcome(came)) return came;
    const failed = isFields(came) ? toKnownError(came.failed) : undefined;
    return { failed: failed ?? wrong('putPack', came, subject, `${PUT}, or { failed }`) };
  });

/** @throws UploadError `unexpected_response` when it is none */
export function putOutcome(answer: unknown): PutOutcome {
  if (isPutOutcome(answer)) return answer;
  throw wrong('put', answer, '', PUT);
}

/** @param check true, or what would have been right */
function results<T extends { readonly status: string }>(
  method: string,
  answer: unknown,
  count: number,
  check: (result: Fields) => true | string,
): (T | { readonly status: 'failed'; readonly error: UploadError })[] {
  return each(answer, count, (came, subject) => {
    const result = isFields(came) ? came : {};
    const isFailed = result.status === 'failed';
    const known = isFailed ? toKnownError(result.error) : undefined;
    const verdict = isFailed ? "{ status: 'failed', error: UploadError }" : check(result);
    if (verdict === true) return came as T;
    return { status: 'failed', error: known ?? wrong(method, came, subject, verdict) };
  });
}

function each<T>(answer: unknown, count: number, read: (came: unknown, subject: string) => T): T[] {
  const isList = Array.isArray(answer);
  return Array.from({ length: count }, (_, index) =>
    read(
      isList ? answer[index] : answer,
      isList ? ' for a file' : ' for all files, which is no list',
    ),
  );
}

function wrong(method: string, came: unknown, subject: string, expected: string): UploadError {
  const message = `${method}() answered ${shapeOf(came)}${subject}; expected ${expected}`;
  return new UploadError('unexpected_response', message);
}

/** Names of fields, and short words: values may be secrets. */
function shapeOf(value: unknown): string {
  if (typeof value === 'string') return value.length > 20 ? 'a long text' : `'${value}'`;
  if (!isFields(value)) return String(value);
  const fields = Object.entries(value).map(([name, field]) => {
    if (name === 'status' && typeof field === 'string') return `${name}: ${shapeOf(field)}`;
    return name === 'error' && isFields(field) ? `${name}: ${shapeOf(field)}` : name;
  });
  return `{ ${fields.join(', ')} }`;
}

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
const isText = (value: unknown) => typeof value === 'string' && value !== '';
const isAsset = (value: unknown) => isFields(value) && isText(value.id);

function isPutOutcome(value: unknown): value is PutOutcome {
  return value === 'stored' || value === 'lost' || (isFields(value) && isAsset(value.finalized));
}
