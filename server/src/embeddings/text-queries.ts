import type { Logger } from '../logging.ts';
import { ProblemError } from '../problem-error.ts';
import { type Embedder, EmbeddingError, toVector } from './embedder.ts';
import type { ProviderLane } from './provider-lane.ts';

/** What people search for, as vectors. */
export interface TextQueries {
  readonly model: string;
  /** @throws {ProblemError} `unavailable`, with the seconds to wait, when the provider cannot now. */
  embed(text: string): Promise<Float32Array>;
}

/** Somebody waits for the answer. */
const DEFAULT_TIMEOUT_MS = 5000;
/** People page, and repeat themselves. */
const MAX_CACHED = 1000;

/**
 * The embedder's text side, or undefined where it has none. Its requests count in the provider's pace and
 * budget like those of images; when there is no token the search goes on without.
 */
export function createTextQueries(
  embedder: Embedder,
  lane: ProviderLane,
  logger: Logger,
  timeoutMs = DEFAULT_TIMEOUT_MS,
): TextQueries | undefined {
  const embedText = embedder.embedText?.bind(embedder);
  if (!embedText) return undefined;
  // In order of last use.
  const cache = new Map<string, Promise<Float32Array>>();

  const ask = async (text: string): Promise<Float32Array> => {
    const { permits, waitMs } = await lane.admit(1);
    if (permits === 0) throw unavailable(waitMs / 1000);
    if (!(await lane.spend())) throw unavailable(lane.pausedSeconds());
    try {
      const values = await embedText(text, AbortSignal.timeout(timeoutMs));
      lane.answered();
      return toVector(values, embedder.dimensions);
    } catch (error) {
      logger.warn({ err: error, model: embedder.model }, '[Search] the text was not embedded');
      throw unavailable(report(lane, error), error);
    }
  };

  return {
    model: embedder.model,
    embed(text) {
      const key = text.normalize('NFC').trim();
      const vector = cache.get(key) ?? ask(key);
      cache.delete(key);
      cache.set(key, vector);
      vector.catch(() => {
        if (cache.get(key) === vector) cache.delete(key);
      });
      if (cache.size > MAX_CACHED) {
        const [oldest] = cache.keys();
        if (oldest !== undefined) cache.delete(oldest);
      }
      return vector;
    },
  };
}

/** Tells the lane, and says for how long to wait. */
function report(lane: ProviderLane, error: unknown): number {
  if (!(error instanceof EmbeddingError)) return lane.failed();
  if (error.kind === 'unavailable') return lane.failed();
  if (error.kind === 'throttled') lane.throttled(error.retryAfterSeconds ?? 60);
  else lane.answered();
  return lane.pausedSeconds();
}

function unavailable(seconds: number, cause?: unknown): ProblemError {
  const retryAfterSeconds = Math.max(1, Math.ceil(seconds));
  return new ProblemError('unavailable', 'Search by meaning is not available right now', {
    cause,
    retryAfterSeconds,
  });
}
