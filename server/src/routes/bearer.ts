import { createHash, timingSafeEqual } from 'node:crypto';

/** Whether the request carries `Authorization: Bearer <secret>`, in a time that tells nothing of either. */
export function isBearer(request: Request, secret: string): boolean {
  const [, given = ''] =
    /^Bearer +(\S+) *$/i.exec(request.headers.get('authorization') ?? '') ?? [];
  // Digests have one length, whatever was sent.
  return timingSafeEqual(digest(given), digest(secret));
}

function digest(value: string): Buffer {
  return createHash('sha256').update(value).digest();
}
