import type { Exchange } from './exchange.ts';
import type { Reservation } from './fault-backend.ts';
import type { ResolvedBehaviour } from './fault-options.ts';
import { type ObjectShelf, Receipt } from './object-shelf.ts';
import { problemAnswer } from './problem-answer.ts';
import type { UrlSigner } from './signed-urls.ts';

export interface StoreParts {
  readonly shelf: ObjectShelf;
  readonly signer: UrlSigner;
  readonly isOpen: boolean;
  readonly createOnly: 'always' | 'if-none-match';
  readonly keepsBodies: boolean;
  readonly behaviour: () => ResolvedBehaviour;
  readonly now: () => number;
  /** What was promised about a key, when a credential was given for it. */
  readonly promiseOf: (key: string) => Reservation | undefined;
}

/** What must be true of the bytes, as far as it was promised. */
interface Promised {
  readonly sizeBytes: number | undefined;
  readonly checksum: string | undefined;
}

/** PUT: verified while it streams, created once, never replaced unless the store is told to. */
export async function putObject(
  exchange: Exchange,
  key: string,
  query: URLSearchParams,
  parts: StoreParts,
): Promise<void> {
  const { shelf } = parts;
  const { headers } = exchange.request;
  await exchange.reach('headers');
  const promised = await permit(exchange, key, query, parts);
  const announced = headers['content-length'];
  if (promised.sizeBytes !== undefined && announced !== undefined) {
    if (Number(announced) !== promised.sizeBytes) await refuse(exchange, 'size_mismatch');
  }
  const canReplace = parts.createOnly === 'if-none-match' && headers['if-none-match'] !== '*';
  if (!canReplace && shelf.objects.has(key)) await refuse(exchange, 'already_exists');

  const receipt = new Receipt(parts.keepsBodies);
  for await (const chunk of exchange.chunks()) receipt.add(chunk);
  await exchange.reach('after-body');
  const object = receipt.finish(key, headers['content-type'] ?? 'application/octet-stream');
  const { sizeBytes = object.sizeBytes, checksum = object.checksum } = promised;
  if (object.sizeBytes !== sizeBytes) await refuse(exchange, 'size_mismatch');
  if (object.checksum !== checksum) await refuse(exchange, 'checksum_mismatch');
  // Another PUT may have been faster.
  if (!shelf.put(object, canReplace)) await refuse(exchange, 'already_exists');
  await exchange.reach('after-commit');
  await exchange.answer({ status: 200, headers: { etag: object.etag } });
}

/** HEAD and GET. Stores like this let anyone look who knows the key. */
export async function getObject(exchange: Exchange, key: string, parts: StoreParts): Promise<void> {
  await exchange.reach('headers');
  const { invisibleLooks } = parts.behaviour();
  const object = parts.shelf.look(key, exchange.request.method === 'HEAD' ? invisibleLooks : 0);
  await exchange.reach('after-commit');
  if (!object) return exchange.answer(problemAnswer('not_found'));
  await exchange.answer({
    status: 200,
    headers: {
      etag: object.etag,
      'content-type': object.contentType,
      'x-object-size': String(object.sizeBytes),
      'x-checksum-sha256': object.checksum,
    },
    body: object.body ?? '',
  });
}

async function permit(
  exchange: Exchange,
  key: string,
  query: URLSearchParams,
  parts: StoreParts,
): Promise<Promised> {
  const { headers } = exchange.request;
  if (parts.isOpen && !query.has('signature')) {
    const hex = headers['x-checksum-sha256'];
    const base64 = headers['x-amz-checksum-sha256'];
    const checksum =
      hex ?? (base64 ? Buffer.from(String(base64), 'base64').toString('hex') : undefined);
    return { sizeBytes: undefined, checksum: checksum?.toString().toLowerCase() };
  }
  const verdict = parts.signer.verify(key, query, parts.now());
  if (verdict === 'expired') await refuse(exchange, 'url_expired');
  const reservation = parts.promiseOf(key);
  const isMeant = verdict === 'valid' && reservation?.mimeType === headers['content-type'];
  if (!reservation || !isMeant) await refuse(exchange, 'url_invalid');
  return { sizeBytes: reservation?.size, checksum: reservation?.checksum };
}

function refuse(
  exchange: Exchange,
  code: 'url_expired' | 'url_invalid' | 'already_exists' | 'size_mismatch' | 'checksum_mismatch',
): Promise<never> {
  return exchange.refuse(problemAnswer(code));
}
