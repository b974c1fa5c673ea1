import { createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

const COOKIE = 'bulkhead_visitor';
/** Says nothing but whether it is still the same visitor: the page keeps their uploads apart by it. */
const SCOPE_COOKIE = 'bulkhead_scope';
const MAX_AGE_SECONDS = 365 * 24 * 60 * 60;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/**
 * The demo has no accounts: whoever opens the page becomes a visitor, known by a signed cookie, and
 * has a library of their own. A real application puts its own session in this place.
 */
export interface Visitors {
  /** Whose request this is; null when the cookie is missing or was altered. */
  identify(request: Request): string | null;
  /** `Set-Cookie` values that make a new visitor. */
  welcome(): string[];
}

/** @param secret signs the cookies; see {@link visitorSecret} */
export function createVisitors(secret: string): Visitors {
  const signatureOf = (id: string): Buffer =>
    createHmac('sha256', secret).update(`bulkhead demo visitor ${id}`).digest();

  return {
    identify(request) {
      const value = cookieOf(request);
      const [id = '', signature = ''] = value?.split('.') ?? [];
      if (!UUID.test(id)) return null;
      const expected = signatureOf(id);
      const given = Buffer.from(signature, 'base64url');
      const isGenuine = given.length === expected.length && timingSafeEqual(given, expected);
      return isGenuine ? id : null;
    },
    welcome() {
      const id = randomUUID();
      const value = `${id}.${signatureOf(id).toString('base64url')}`;
      const scope = signatureOf(`${id} scope`).toString('hex').slice(0, 16);
      // Not Secure: the demo is served over plain http, on this machine.
      const rest = `Path=/; Max-Age=${MAX_AGE_SECONDS}; SameSite=Lax`;
      return [`${COOKIE}=${value}; ${rest}; HttpOnly`, `${SCOPE_COOKIE}=${scope}; ${rest}`];
    },
  };
}

/** The key of the cookies: made at the first start and kept, so that visitors outlive restarts. */
export async function visitorSecret(dataDir: string): Promise<string> {
  await mkdir(dataDir, { recursive: true });
  const file = path.join(dataDir, 'visitor-secret');
  const draft = `${file}.${process.pid}`;
  try {
    await writeFile(draft, randomBytes(32).toString('hex'), { mode: 0o600 });
    // Whole content or nothing, and never over one that exists.
    await link(draft, file);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    await rm(draft, { force: true });
  }
  return (await readFile(file, 'utf8')).trim();
}

function cookieOf(request: Request): string | undefined {
  for (const pair of request.headers.get('cookie')?.split(';') ?? []) {
    const [name, value] = pair.trim().split('=', 2);
    if (name === COOKIE) return value;
  }
  return undefined;
}
