import type { Env, Hono } from 'hono';
import type { ServerTelemetry } from '../telemetry/server-telemetry.ts';
import type { RequireOperator } from './operator.ts';

export interface TelemetryRouteParts {
  path: (route: string) => string;
  requireOperator: RequireOperator;
  telemetry: Pick<ServerTelemetry, 'registry' | 'snapshot'>;
}

/** For operators: how it goes, as JSON and for Prometheus. */
export function mountTelemetry<E extends Env>(app: Hono<E>, parts: TelemetryRouteParts): void {
  const { path, requireOperator, telemetry } = parts;

  app.get(path('/api/telemetry'), async (c) => {
    requireOperator(c.req.raw);
    return c.json(await telemetry.snapshot());
  });

  app.get(path('/metrics'), async (c) => {
    requireOperator(c.req.raw);
    const { registry } = telemetry;
    return c.body(await registry.metrics(), 200, { 'Content-Type': registry.contentType });
  });
}
