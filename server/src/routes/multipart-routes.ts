import {
  multipartAbortRequestSchema,
  multipartBeginRequestSchema,
  multipartPartsRequestSchema,
} from 'bulkhead/protocol';
import type { Context, Env, Hono } from 'hono';
import type { MultipartUploads } from '../uploads/multipart.ts';
import { parse } from './parse.ts';
import { readJson } from './read-json.ts';

/**
 * Large files in parts. No call takes a token: each works on a reservation that took one, and a file of ten
 * thousand parts makes a hundred calls for permits.
 */
export function mountMultipartRoutes<E extends Env>(
  app: Hono<E>,
  {
    path,
    guard,
    multipart,
  }: {
    path: (route: string) => string;
    guard: (c: Context<E>) => Promise<string>;
    multipart: MultipartUploads;
  },
): void {
  app.post(path('/api/multipart/begin'), async (c) => {
    const userId = await guard(c);
    const { assetId, partSize } = parse(multipartBeginRequestSchema, await readJson(c.req.raw));
    return c.json(await multipart.begin(userId, assetId, partSize));
  });

  app.post(path('/api/multipart/parts'), async (c) => {
    const userId = await guard(c);
    const { assetId, parts } = parse(multipartPartsRequestSchema, await readJson(c.req.raw));
    return c.json({ parts: await multipart.sign(userId, assetId, parts) });
  });

  app.post(path('/api/multipart/abort'), async (c) => {
    const userId = await guard(c);
    const { assetId } = parse(multipartAbortRequestSchema, await readJson(c.req.raw));
    return c.json({ aborted: await multipart.abort(userId, assetId) });
  });
}
