import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import { ProblemError } from '../problem-error.ts';

/** What the URL of a PUT permits, exactly. */
export interface PutClaims {
  key: string;
  /** Seconds since the epoch. */
  expires: number;
  sizeBytes: number;
  checksum: string;
  contentType: string;
}

/** What the URL of a GET permits. */
export interface GetClaims {
  key: string;
  expires: number;
  contentType: string;
  downloadName?: string | undefined;
}

/** Signs and checks the URLs of a store that has no provider to do it. */
export interface UrlSigner {
  /** The query string, without `?`. */
  signPut(claims: PutClaims): string;
  signGet(claims: GetClaims): string;
  /**
   * @throws {ProblemError} `url_invalid` when anything differs from what was signed, then
   *   `url_expired`.
   */
  verifyPut(key: string, query: URLSearchParams, nowMs: number): PutClaims;
  verifyGet(key: string, query: URLSearchParams, nowMs: number): GetClaims;
}

const PUT_PARAMETERS = new Set(['e', 's', 'c', 't', 'sig']);
const GET_PARAMETERS = new Set(['e', 't', 'n', 'sig']);

/**
 * HMAC-SHA256 over every claim. PUT and GET have keys of their own, derived from the secret, so
 * that no URL of one kind can be presented as the other.
 */
export function createUrlSigner(secret: string | Uint8Array): UrlSigner {
  const derive = (purpose: string) =>
    createSecretKey(createHmac('sha256', secret).update(`bulkhead file store ${purpose}`).digest());
  const putKey = derive('put');
  const getKey = derive('get');
  // JSON keeps the fields apart: no two lists of claims give the same text.
  const signatureOf = (key: KeyObject, claims: readonly unknown[]) =>
    createHmac('sha256', key).update(JSON.stringify(claims)).digest();

  const putSignature = (c: PutClaims) =>
    signatureOf(putKey, ['PUT', c.key, c.expires, c.sizeBytes, c.checksum, c.contentType]);
  const getSignature = (c: GetClaims) =>
    signatureOf(getKey, ['GET', c.key, c.expires, c.contentType, c.downloadName ?? null]);

  return {
    signPut(claims) {
      return new URLSearchParams({
        e: String(claims.expires),
        s: String(claims.sizeBytes),
        c: claims.checksum,
        t: claims.contentType,
        sig: putSignature(claims).toString('base64url'),
      }).toString();
    },
    signGet(claims) {
      const query = new URLSearchParams({ e: String(claims.expires), t: claims.contentType });
      if (claims.downloadName !== undefined) query.set('n', claims.downloadName);
      query.set('sig', getSignature(claims).toString('base64url'));
      return query.toString();
    },
    verifyPut(key, query, nowMs) {
      refuseUnknown(query, PUT_PARAMETERS);
      const claims: PutClaims = {
        key,
        expires: integer(query, 'e'),
        sizeBytes: integer(query, 's'),
        checksum: text(query, 'c'),
        contentType: text(query, 't'),
      };
      compare(putSignature(claims), text(query, 'sig'));
      refuseExpired(claims.expires, nowMs);
      return claims;
    },
    verifyGet(key, query, nowMs) {
      refuseUnknown(query, GET_PARAMETERS);
      const claims: GetClaims = {
        key,
        expires: integer(query, 'e'),
        contentType: text(query, 't'),
        downloadName: query.get('n') ?? undefined,
      };
      compare(getSignature(claims), text(query, 'sig'));
      refuseExpired(claims.expires, nowMs);
      return claims;
    },
  };
}

function refuseUnknown(query: URLSearchParams, known: ReadonlySet<string>): void {
  const seen = new Set<string>();
  for (const name of query.keys()) {
    if (!known.has(name) || seen.has(name)) throw new ProblemError('url_invalid');
    seen.add(name);
  }
}

function text(query: URLSearchParams, name: string): string {
  const value = query.get(name);
  if (value === null) throw new ProblemError('url_invalid');
  return value;
}

function integer(query: URLSearchParams, name: string): number {
  const value = text(query, name);
  if (!/^\d{1,15}$/.test(value)) throw new ProblemError('url_invalid');
  return Number(value);
}

function compare(expected: Buffer, given: string): void {
  const signature = Buffer.from(given, 'base64url');
  if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) {
    throw new ProblemError('url_invalid');
  }
}

function refuseExpired(expires: number, nowMs: number): void {
  if (nowMs >= expires * 1000) throw new ProblemError('url_expired');
}
