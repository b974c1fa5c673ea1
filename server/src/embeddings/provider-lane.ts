import type { Clock } from '../clock.ts';
import type { JobGate } from '../jobs/job-gate.ts';
import type { Logger } from '../logging.ts';
import { createMemoryTokenBucket } from '../rate-limit/memory-token-bucket.ts';
import type { RateLimiter } from '../rate-limit/rate-limiter.ts';
import { type DailyBudget, untilNextDayMs } from './daily-budget.ts';
import type { Pace } from './embedder.ts';

/** What stands between the jobs and a provider: its pace, its budget, and a breaker. */
export interface ProviderLane extends JobGate {
  /** Takes one request of the daily budget, right before it is sent. False: the lane waits till tomorrow. */
  spend(): Promise<boolean>;
  /** Until anything may be sent; 0 when it may. */
  pausedSeconds(): number;
  /** The provider answered, well or not: it is there. */
  answered(): void;
  /** It asked for a pause, which everything keeps. */
  throttled(seconds: number): void;
  /** It did not answer, or answers nobody. Says for how many seconds it is left alone now. */
  failed(): number;
  /** When it last answered, in milliseconds since the epoch; undefined: not yet. */
  readonly answeredAtMs: number | undefined;
}

export interface ProviderLaneOptions {
  /** Absent: as many as there are. */
  pace?: Pace | undefined;
  /** Shared by every process that asks this provider. Default: one in memory, for this process. */
  rateLimiter?: RateLimiter | undefined;
  budget?: DailyBudget | undefined;
  clock: Clock;
  random: () => number;
  logger: Logger;
  /** What the log says when it answers again. */
  back?: string;
}

const FIRST_PAUSE_SECONDS = 5;
/** A provider that is down is asked by one request every five minutes. */
const MAX_PAUSE_SECONDS = 300;
/** A probe that has not told its outcome after this is followed by another. */
const PROBE_MS = 60_000;
const JITTER = 0.2;
/** No closer than this does a lane ask for tokens. */
const MIN_WAIT_MS = 100;

/** What a limiter knows a provider by. */
export const limiterKey = (provider: string) => `provider:${provider}`;

/** The most that may be sent at once. */
export function burstOf({ requestsPerMinute, burst }: Pace): number {
  // Whoever waits for tokens waits whole seconds: less than a second's worth would lose some.
  return burst ?? Math.max(1, Math.ceil(requestsPerMinute / 60));
}

/** A limiter for one provider, in memory: for all that asks it in one process. */
export function createProviderLimiter(pace: Pace, clock: Clock = Date.now): RateLimiter {
  const { requestsPerMinute } = pace;
  return createMemoryTokenBucket({
    capacity: burstOf(pace),
    refillPerMinute: requestsPerMinute,
    clock,
  });
}

/**
 * One provider's lane in this process. Jobs are not fetched before they may be sent: a queue of thousands
 * is left alone, whatever the pace. A provider that is down pauses the lane, 5 s at first, then twice as
 * long each time up to 5 min (±20 %); then a single request finds out.
 */
export function createProviderLane(options: ProviderLaneOptions): ProviderLane {
  const { pace, budget, clock, random, logger, back = '[Embed] the provider is back' } = options;
  const limiter = pace && (options.rateLimiter ?? createProviderLimiter(pace, clock));
  const intervalMs = pace ? 60_000 / pace.requestsPerMinute : 0;
  let pausedUntilMs = 0;
  let tokensAtMs = 0;
  let failures = 0;
  let probeUntilMs = 0;
  let answeredAtMs: number | undefined;
  /** Tokens that were taken, with no job to use them on; each with the time it lapses. */
  let unused: number[] = [];

  /** Takes up to `wanted` tokens. */
  const take = async (wanted: number): Promise<number> => {
    if (!pace || !limiter) return wanted;
    const nowMs = clock();
    // A token that lies idle lapses: else many idle processes could send a burst of old ones.
    unused = unused.filter((lapsesAtMs) => lapsesAtMs > nowMs);
    let taken = unused.splice(0, wanted).length;
    while (taken < wanted && tokensAtMs <= nowMs) {
      const { allowed, retryAfter } = await limiter.consume(limiterKey(pace.provider), 1);
      if (allowed) {
        taken++;
        continue;
      }
      tokensAtMs = nowMs + Math.max(MIN_WAIT_MS, Math.min(retryAfter * 1000, intervalMs));
    }
    return taken;
  };

  const pause = (seconds: number) => {
    pausedUntilMs = Math.max(pausedUntilMs, clock() + seconds * 1000);
  };

  return {
    get answeredAtMs() {
      return answeredAtMs;
    },
    async admit(wanted) {
      const nowMs = clock();
      const isHalfOpen = failures > 0;
      const closedUntilMs = isHalfOpen ? Math.max(pausedUntilMs, probeUntilMs) : pausedUntilMs;
      if (closedUntilMs > nowMs) return { permits: 0, waitMs: closedUntilMs - nowMs };
      const permits = await take(isHalfOpen ? 1 : wanted);
      if (permits === 0) return { permits, waitMs: Math.max(1, tokensAtMs - nowMs) };
      if (isHalfOpen) probeUntilMs = nowMs + PROBE_MS;
      return { permits, waitMs: 0 };
    },
    giveBack(permits) {
      probeUntilMs = 0;
      if (!pace) return;
      const lapsesAtMs = clock() + intervalMs;
      for (let i = 0; i < permits; i++) unused.push(lapsesAtMs);
    },
    async spend() {
      if (!budget || !pace) return true;
      const nowMs = clock();
      if (await budget.spend(nowMs)) return true;
      const seconds = untilNextDayMs(nowMs) / 1000;
      const { provider, dailyRequests } = pace;
      const fields = { provider, dailyRequests, retryInSeconds: Math.round(seconds) };
      logger.warn(fields, '[Embed] the daily budget is spent; the lane waits for tomorrow');
      pause(seconds);
      return false;
    },
    pausedSeconds: () => Math.max(0, (pausedUntilMs - clock()) / 1000),
    answered() {
      if (failures > 0) logger.info({ provider: pace?.provider }, back);
      failures = 0;
      probeUntilMs = 0;
      answeredAtMs = clock();
    },
    throttled(seconds) {
      probeUntilMs = 0;
      pause(seconds);
    },
    failed() {
      const isNews = clock() >= pausedUntilMs;
      // Requests that were in flight together fail together: one failure.
      if (isNews) {
        const seconds = Math.min(MAX_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** failures);
        failures++;
        probeUntilMs = 0;
        pause(seconds * (1 - JITTER + 2 * JITTER * random()));
      }
      return Math.max(0, (pausedUntilMs - clock()) / 1000);
    },
  };
}
