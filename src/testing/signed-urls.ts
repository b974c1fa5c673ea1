import { createHmac, randomBytes } from 'node:crypto';

/** Signs an object's URL until an instant, as stores do. The secret lives as long as the server. */
export class UrlSigner {
  readonly #secret = randomBytes(32);

  /** @returns the query that permits it */
  sign(key: string, expiresAtMs: number): string {
    const expires = String(Math.round(expiresAtMs));
    return new URLSearchParams({ expires, signature: this.#signature(key, expires) }).toString();
  }

  verify(key: string, query: URLSearchParams, nowMs: number): 'valid' | 'expired' | 'invalid' {
    const expires = query.get('expires') ?? '';
    if (query.get('signature') !== this.#signature(key, expires)) return 'invalid';
    return nowMs < Number(expires) ? 'valid' : 'expired';
  }

  #signature(key: string, expires: string): string {
    return createHmac('sha256', this.#secret).update(`${key}\n${expires}`).digest('hex');
  }
}
