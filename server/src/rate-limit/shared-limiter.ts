import type { Logger } from '../logging.ts';
import { ProblemError } from '../problem-error.ts';
import {
  type BucketState,
  createBucketLimiter,
  type TokenBucketOptions,
} from './bucket-limiter.ts';
import { createMemoryTokenBucket } from './memory-token-bucket.ts';
import type { RateLimiter } from './rate-limiter.ts';

export interface SharedLimiterOptions extends TokenBucketOptions {
  /**
   * What happens while the state cannot be asked. `local` (the default): each process limits by itself, from
   * full buckets, so that an outage of the limiter neither stops uploads nor lifts the limit. `refuse`:
   * requests are answered with 503 and a Retry-After, for those who would rather stop.
   */
  onFailure?: 'local' | 'refuse' | undefined;
  /**
   * How long an answer of the state is waited for. Default 1 s of Redis, 15 s of the database, which is more
   * than a busy pool makes a request wait for a connection.
   */
  timeoutMs?: number | undefined;
}

/** After a failure the state is left alone for so long: not every request waits for the timeout. */
const COOL_DOWN_MS = 1000;
/** An outage is logged at its start, and so often while it lasts. */
const LOG_EVERY_MS = 60_000;

/** Token buckets on a state that several processes share, and that may be away. */
export function createSharedLimiter(
  state: BucketState,
  { stateName, defaultTimeoutMs }: { stateName: string; defaultTimeoutMs: number },
  options: SharedLimiterOptions,
): Required<RateLimiter> {
  const { onFailure = 'local', timeoutMs = defaultTimeoutMs, logger } = options;
  const shared = createBucketLimiter(withTimeout(state, timeoutMs), options);
  const outage = createOutage(stateName, onFailure, logger);
  let local: RateLimiter | undefined;

  const withoutState = (userId: string, tokens: number | undefined, cause: unknown) => {
    if (onFailure === 'refuse') {
      throw new ProblemError('unavailable', undefined, { cause, retryAfterSeconds: 1 });
    }
    local ??= createMemoryTokenBucket(options);
    return local.consume(userId, tokens);
  };

  return {
    async consume(userId, tokens) {
      if (outage.isCoolingDown()) return withoutState(userId, tokens, outage.cause());
      try {
        const result = await shared.consume(userId, tokens);
        if (outage.ended()) local = undefined;
        return result;
      } catch (cause) {
        // A wrong call is the caller's, not the state's.
        if (cause instanceof RangeError) throw cause;
        outage.failed(cause);
        return withoutState(userId, tokens, cause);
      }
    },
    sweep: shared.sweep,
  };
}

/** One outage of the state: when to ask again, and what is logged of it. */
function createOutage(stateName: string, onFailure: string, logger: Logger | undefined) {
  let failure: { cause: unknown; atMs: number; loggedAtMs: number } | undefined;
  return {
    isCoolingDown: () => failure !== undefined && performance.now() - failure.atMs < COOL_DOWN_MS,
    cause: () => failure?.cause,
    failed(cause: unknown) {
      const atMs = performance.now();
      const isDue = failure === undefined || atMs - failure.loggedAtMs >= LOG_EVERY_MS;
      failure = { cause, atMs, loggedAtMs: isDue ? atMs : (failure?.loggedAtMs ?? atMs) };
      if (!isDue) return;
      const what =
        onFailure === 'refuse' ? 'requests are refused' : 'each process limits by itself';
      logger?.error({ err: cause }, `[RateLimit] ${stateName} cannot be asked; ${what}`);
    },
    /** @returns whether there was an outage until now */
    ended(): boolean {
      if (failure === undefined) return false;
      failure = undefined;
      logger?.info({}, `[RateLimit] ${stateName} answers again`);
      return true;
    },
  };
}

function withTimeout(state: BucketState, timeoutMs: number): BucketState {
  return {
    ...state,
    take(...args) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`No answer within ${timeoutMs} ms`)),
          timeoutMs,
        );
        state
          .take(...args)
          .then(resolve, reject)
          .finally(() => clearTimeout(timer));
      });
    },
  };
}
