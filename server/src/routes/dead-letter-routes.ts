import type { Context, Env, Hono } from 'hono';
import {
  type DeadLetters,
  deadLettersQuerySchema,
  userRedriveSchema,
} from '../library/dead-letters.ts';
import { parse } from './parse.ts';
import { readJson } from './read-json.ts';

/** A user's own failures: listed by cause, and redriven by cause. */
export function mountDeadLetterRoutes<E extends Env>(
  app: Hono<E>,
  parts: {
    deadLetters: DeadLetters;
    basePath: string;
    /** Whose request it is; refuses pages of other sites. */
    guard: (c: Context<E>) => Promise<string>;
    takeToken: (userId: string) => Promise<void>;
  },
): void {
  const { deadLetters, basePath, guard, takeToken } = parts;

  app.get(`${basePath}/api/dead-letters`, async (c) => {
    const userId = await guard(c);
    const query = parse(
      deadLettersQuerySchema,
      Object.fromEntries(new URL(c.req.url).searchParams),
    );
    const [causes, page] = await Promise.all([
      deadLetters.causes(userId),
      deadLetters.page(userId, query),
    ]);
    return c.json({ causes, ...page });
  });

  app.post(`${basePath}/api/assets/retry-processing`, async (c) => {
    const userId = await guard(c);
    await takeToken(userId);
    const cause = parse(userRedriveSchema, await readJson(c.req.raw));
    return c.json(await deadLetters.redrive(userId, cause));
  });
}
