import type { Context, Env, Hono } from 'hono';
import { webBody } from '../blobs/request-body.ts';
import type { JobSlices, SliceBounds } from '../jobs/job-slices.ts';
import type { JobName } from '../jobs/queue.ts';
import type { Logger } from '../logging.ts';
import { ProblemError, problemResponse } from '../problem-error.ts';
import { isBearer } from './bearer.ts';

export interface CronParts {
  /** Without one the routes answer 404. */
  secret: string | undefined;
  run: JobSlices;
  bounds: SliceBounds;
  /** @returns how many reservations were given up */
  sweep: () => Promise<number>;
}

const STAGES: Record<string, JobName> = {
  'process-images': 'process',
  'process-embeddings': 'embed',
};

/**
 * `POST` (and `GET`, which is how Vercel's cron calls) `/api/cron/…`: a bounded slice of one stage, or the
 * sweep, which hosts without a process that lives have nobody else to start.
 * The secret authorises, never a cookie: no page of another site can make a browser send it.
 */
export function mountCronRoutes<E extends Env>(
  app: Hono<E>,
  parts: { cron: CronParts | undefined; basePath: string; logger: Logger },
): void {
  const { cron, basePath, logger } = parts;
  const mount = (route: string, run: (parts: CronParts) => Promise<object>) => {
    const answer = async (c: Context) => {
      webBody(c.req.raw).drain();
      if (cron?.secret === undefined) throw new ProblemError('not_found', 'There is no such route');
      // Hono answers HEAD by the handler of GET: that must not start work.
      if (c.req.method === 'HEAD') {
        return problemResponse({ code: 'method_not_allowed' }, { Allow: 'GET, OPTIONS, POST' });
      }
      if (!isBearer(c.req.raw, cron.secret)) {
        throw new ProblemError('unauthenticated', 'Send the cron secret as Authorization: Bearer');
      }
      return c.json(await run(cron));
    };
    app.get(`${basePath}/api/cron/${route}`, answer);
    app.post(`${basePath}/api/cron/${route}`, answer);
  };

  for (const [route, name] of Object.entries(STAGES)) {
    mount(route, async ({ run, bounds }) => {
      const startedMs = performance.now();
      const result = await run(name, bounds);
      const { processed, failed, retried, remaining } = result;
      const ms = Math.round(performance.now() - startedMs);
      logger.info(
        { job: name, ...result, ms },
        `[Cron] ${route}: processed ${processed}, failed ${failed}, will retry ${retried}, ${remaining} remaining`,
      );
      return result;
    });
  }
  mount('sweep', async ({ sweep }) => ({ reservations: await sweep() }));
}
