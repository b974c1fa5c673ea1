import type { Exchange } from './exchange.ts';
import type { ResolvedBehaviour } from './fault-options.ts';
import {
  FAULT_ROUTES,
  type FaultAction,
  type FaultRoute,
  type FaultRoutes,
} from './fault-rules.ts';
import { problemAnswer } from './problem-answer.ts';
import { TokenBucket } from './token-bucket.ts';

export interface GateParts {
  readonly behaviour: () => ResolvedBehaviour;
  /** By the server's clock, without its skew. */
  readonly now: () => number;
}

/** What every request passes before the plan is asked: outages, the rate limit, latency. */
export class Gate {
  readonly #parts: GateParts;
  readonly #down = new Map<FaultRoute, FaultAction>();
  #bucket: TokenBucket | undefined;

  constructor(parts: GateParts) {
    this.#parts = parts;
  }

  /** Takes routes out of service; all of them when none is named. */
  down(routes: FaultRoutes = [...FAULT_ROUTES], how: FaultAction = 'reset'): void {
    for (const route of [routes].flat()) this.#down.set(route, how);
  }

  up(routes: FaultRoutes = [...FAULT_ROUTES]): void {
    for (const route of [routes].flat()) this.#down.delete(route);
  }

  /** The bucket is full again. */
  refill(): void {
    this.#bucket = undefined;
  }

  clear(): void {
    this.#down.clear();
    this.refill();
  }

  /** Throws `ExchangeEnded` where the request ends here. */
  async pass(exchange: Exchange, route: FaultRoute): Promise<void> {
    const { latencyMs } = this.#parts.behaviour();
    const outage = this.#down.get(route);
    if (outage !== undefined) await exchange.act(outage, 'outage');
    if (latencyMs > 0) await exchange.pause(latencyMs);
    await this.#limit(exchange, route);
  }

  async #limit(exchange: Exchange, route: FaultRoute): Promise<void> {
    const { rateLimit, clockSkewMs } = this.#parts.behaviour();
    if (!rateLimit || ![rateLimit.routes].flat().includes(route)) return;
    const { requestsPerSecond, burst = Math.max(1, requestsPerSecond) } = rateLimit;
    const nowMs = this.#parts.now();
    this.#bucket ??= new TokenBucket(requestsPerSecond, burst, nowMs);
    const waitMs = this.#bucket.take(nowMs);
    if (waitMs === 0) return;
    exchange.record.faults.push('rate limit');
    const { status, retryAfter } = rateLimit;
    const code = status === 429 ? 'rate_limited' : 'unavailable';
    const seconds = Math.max(1, Math.ceil(waitMs / 1_000));
    const headers: Record<string, string> = {};
    if (retryAfter === 'seconds') headers['retry-after'] = String(seconds);
    if (retryAfter === 'date') {
      // Dates have whole seconds: rounded up, or the wait would end too early.
      const until = Math.ceil((nowMs + clockSkewMs) / 1_000) * 1_000 + seconds * 1_000;
      headers['retry-after'] = new Date(until).toUTCString();
    }
    await exchange.refuse(problemAnswer(code, undefined, { headers }));
  }
}
