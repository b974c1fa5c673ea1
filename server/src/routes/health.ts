import type { Env, Hono } from 'hono';
import type { ReadinessChecker } from '../health/readiness.ts';

export interface HealthRouteParts {
  path: (route: string) => string;
  readiness: Pick<ReadinessChecker, 'check'>;
}

/**
 * For balancers and supervisors, without authorization. `/healthz`: the process lives; restart it when it
 * does not answer. `/readyz`: it can serve requests; send them elsewhere when it cannot.
 */
export function mountHealth<E extends Env>(app: Hono<E>, parts: HealthRouteParts): void {
  const { path, readiness } = parts;

  app.get(path('/healthz'), (c) => c.json({ status: 'ok' }));

  app.get(path('/readyz'), async (c) => {
    const { isReady, failed } = await readiness.check();
    if (isReady) return c.json({ status: 'ready' });
    return c.json({ status: 'not ready', failed }, 503, { 'Retry-After': '1' });
  });
}
