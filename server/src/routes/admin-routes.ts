import type { Env, Hono } from 'hono';
import { adminPage } from '../admin/page.ts';
import type { StatusReader } from '../admin/status.ts';
import { webBody } from '../blobs/request-body.ts';
import { type DeadLetters, operatorRedriveSchema } from '../library/dead-letters.ts';
import type { Logger } from '../logging.ts';
import { ProblemError } from '../problem-error.ts';
import type { RequireOperator } from './operator.ts';
import { parse } from './parse.ts';
import { readJson } from './read-json.ts';

/**
 * The operator's page and its API. The page itself holds no data, so it is served to anyone; the API
 * asks for the token in a header, which no other site's page can send. Without a token configured,
 * all of it answers 404.
 */
export function mountAdminRoutes<E extends Env>(
  app: Hono<E>,
  parts: {
    requireOperator: RequireOperator;
    /** Whether there is an operator: without one there is no page. */
    hasOperator: boolean;
    status: StatusReader;
    deadLetters: DeadLetters;
    basePath: string;
    logger: Logger;
  },
): void {
  const { requireOperator, hasOperator, status, deadLetters, basePath, logger } = parts;

  app.get(`${basePath}/admin`, (c) => {
    webBody(c.req.raw).drain();
    if (!hasOperator) throw new ProblemError('not_found', 'There is no such route');
    const { html, contentSecurityPolicy } = adminPage(`${basePath}/admin/api`);
    return c.body(html, 200, {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy': contentSecurityPolicy,
      'X-Frame-Options': 'DENY',
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
    });
  });

  app.get(`${basePath}/admin/api/status`, async (c) => {
    webBody(c.req.raw).drain();
    requireOperator(c.req.raw);
    return c.json(await status.read());
  });

  app.post(`${basePath}/admin/api/redrive`, async (c) => {
    requireOperator(c.req.raw);
    const cause = parse(operatorRedriveSchema, await readJson(c.req.raw));
    const result = await deadLetters.redrive(undefined, cause);
    const { code, stage } = cause;
    logger.warn({ code, stage, ...result }, `[Admin] redrove ${result.redriven} assets by cause`);
    return c.json(result);
  });
}
