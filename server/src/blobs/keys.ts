import { createHash } from 'node:crypto';

/**
 * Every key the server makes, and nothing else: `u/<32 hex>/<yyyy>/<asset id>`, and derivatives
 * with a suffix. No part of it comes from a client.
 */
const KEY = /^u\/[0-9a-f]{32}\/\d{4}\/[0-9a-f-]{36}(?:\.[a-z]+\.[a-z]+)?$/;

const CONTENT_TYPES: Record<string, string> = { jpg: 'image/jpeg', webp: 'image/webp' };

/** The key of a new original. The user appears as a digest: ids may be addresses or worse. */
export function originalKey(userId: string, assetId: string, nowMs: number): string {
  const user = createHash('sha256').update(userId).digest('hex').slice(0, 32);
  return `u/${user}/${new Date(nowMs).getUTCFullYear()}/${assetId}`;
}

/** The bounded image made from an original: JPEG, or WebP where it has transparent parts. */
export function imageKey(key: string, contentType: 'image/jpeg' | 'image/webp'): string {
  return `${key}.image.${contentType === 'image/webp' ? 'webp' : 'jpg'}`;
}

/** The 256 px thumbnail made from an original. */
export function thumbnailKey(key: string): string {
  return `${key}.thumbnail.webp`;
}

/** The content type of a derivative, by its key. */
export function derivativeContentType(key: string): string {
  return CONTENT_TYPES[key.slice(key.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
}

/** The key of the original that a derivative was made from; of an original, its own. */
export function originalOf(key: string): string {
  const dot = key.indexOf('.');
  return dot === -1 ? key : key.slice(0, dot);
}

export function isKey(value: string): boolean {
  return KEY.test(value);
}
