/** Turns a picture into a vector. Only processed assets reach it, as their bounded derivative. */
export interface Embedder {
  /** Stored with every vector; vectors of different models are never compared. */
  readonly model: string;
  readonly dimensions: number;
  /** How fast its provider may be asked. Absent: it has no provider, or no limits. */
  readonly pace?: Pace | undefined;
  /** `image` is the WebP thumbnail. Throws `EmbeddingError`. */
  embed(image: Uint8Array, signal: AbortSignal): Promise<Float32Array>;
  /** Where the model knows words too: into the same space, so that pictures are found by them. */
  embedText?(text: string, signal: AbortSignal): Promise<Float32Array>;
}

export interface Pace {
  /** Who is asked: embedders of one provider share its pace. */
  readonly provider: string;
  /** Pictures and texts together, over all processes that share a rate limiter. */
  readonly requestsPerMinute: number;
  /** Requests that may be sent at once after a rest. Default: a second's worth, at least 1. */
  readonly burst?: number | undefined;
  /** A cap on cost: so many requests a day (UTC), then the lane waits for the next day. Default: none. */
  readonly dailyRequests?: number | undefined;
}

export class EmbeddingError extends Error {
  override readonly name = 'EmbeddingError';
  /**
   * `permanent`: this image never; no retry. `transient`: costs an attempt. `throttled`: waits, costs
   * none. `unavailable`: the provider is down or refuses everything; the lane waits, costs none.
   */
  readonly kind: 'permanent' | 'transient' | 'throttled' | 'unavailable';
  readonly retryAfterSeconds: number | undefined;
  constructor(
    message: string,
    kind: EmbeddingError['kind'],
    options?: { cause?: unknown; retryAfterSeconds?: number | undefined },
  ) {
    super(message, options);
    this.kind = kind;
    this.retryAfterSeconds = options?.retryAfterSeconds;
  }
}

/**
 * The numbers that came, as the vector that was promised: one of the wrong length, or with NaN or zeros
 * only, would spoil every search it takes part in.
 * @throws {EmbeddingError} `permanent`
 */
export function toVector(values: ArrayLike<number>, dimensions: number): Float32Array {
  const vector = Float32Array.from(values);
  const isUsable = vector.every(Number.isFinite) && vector.some((value) => value !== 0);
  if (vector.length === dimensions && isUsable) return vector;
  throw new EmbeddingError(
    `The embedder gave ${vector.length} numbers where ${dimensions} finite ones, not all 0, were expected`,
    'permanent',
  );
}
