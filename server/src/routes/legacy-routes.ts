import type { Context, Env, Hono } from 'hono';
import { ProblemError } from '../problem-error.ts';
import type { LegacyUploads } from '../uploads/legacy-upload.ts';
import { createPlaces } from './places.ts';
import { readForm } from './read-form.ts';

/** Of a form beside its file: three fields, boundaries, headers. */
const OVERHEAD_BYTES = 64 * 1024;
const MAX_PARTS = 4;
/** At once; each may lie on this process's disk as a file as large as files may be. */
const MAX_FORMS = 8;
/** So many connections a browser opens to one host, by HTTP/1.1. */
const MAX_FORMS_OF_USER = 6;

/** The form upload of old, for a gradual rollout: one file, one token. */
export function mountLegacyUpload<E extends Env>(
  app: Hono<E>,
  parts: {
    path: (route: string) => string;
    guard: (c: Context<E>) => Promise<string>;
    takeToken: (userId: string) => Promise<void>;
    /** Without it, the route answers 404. */
    legacy: LegacyUploads | undefined;
    /** Where a form without JavaScript goes on. */
    legacyRedirect: string | undefined;
  },
): void {
  const { path, guard, takeToken, legacy, legacyRedirect } = parts;
  const places = createPlaces({ what: 'forms', total: MAX_FORMS, perUser: MAX_FORMS_OF_USER });
  app.post(path('/api/upload'), async (c) => {
    const userId = await guard(c);
    if (!legacy) throw new ProblemError('not_found', 'This server takes no form uploads');
    const asset = await places.hold(userId, async () => {
      await takeToken(userId);
      const maxBodyBytes = legacy.maxFileBytes + OVERHEAD_BYTES;
      const form = readForm(c.req.raw, { maxBodyBytes, maxParts: MAX_PARTS });
      return legacy.receive(userId, form, leastFileBytes(c.req.raw));
    });
    const wantsPage = c.req.header('accept')?.includes('text/html') ?? false;
    if (legacyRedirect !== undefined && wantsPage) return c.redirect(legacyRedirect, 303);
    return c.json({ success: true, asset });
  });
}

/** What the length of the body says of the file in it, at least; a body that comes in chunks says nothing. */
function leastFileBytes(request: Request): number {
  const announced = Number(request.headers.get('content-length') ?? 0);
  return Number.isSafeInteger(announced) ? Math.max(1, announced - OVERHEAD_BYTES) : 1;
}
