import {
  multipartAbortRequestSchema,
  multipartBeginRequestSchema,
  multipartPartsRequestSchema,
} from 'bulkhead/protocol';
import type { Context, Env, Hono } from 'hono';
import type { MultipartUploads } from '../uploads/multipart.ts';
import { parse } from './parse.ts';
import { readJson } from './read-json.ts';

/** Large files in parts. Paid for by the credential, so no token is taken. */
export function mountMultipart<E extends Env>(
  app: Hono<E>,
  parts: {
    path: (route: string) => string;
    guard: (c: Context<E>) => Promise<string>;
    multipart: MultipartUploads;
  },
): void {
  const { path, guard, multipart } = parts;

  app.post(path('/api/multipart/begin'), async (c) => {
    const userId = await guard(c);
    const body = parse(multipartBeginRequestSchema, await readJson(c.req.raw));
    return c.json(await multipart.begin(userId, body.assetId, body.partSize));
  });

  app.post(path('/api/multipart/parts'), async (c) => {
    const userId = await guard(c);
    const body = parse(multipartPartsRequestSchema, await readJson(c.req.raw));
    return c.json({ parts: await multipart.sign(userId, body.assetId, body.parts) });
  });

  app.post(path('/api/multipart/abort'), async (c) => {
    const userId = await guard(c);
    const { assetId } = parse(multipartAbortRequestSchema, await readJson(c.req.raw));
    return c.json({ aborted: await multipart.abort(userId, assetId) });
  });
}
