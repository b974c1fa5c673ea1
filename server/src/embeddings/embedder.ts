/** Turns a picture into a vector. Only processed assets reach it, as their bounded derivative. */
export interface Embedder {
  /** Stored with every vector; vectors of different models are never compared. */
  readonly model: string;
  readonly dimensions: number;
  /** `image` is the WebP thumbnail. Throws `EmbeddingError`. */
  embed(image: Uint8Array, signal: AbortSignal): Promise<Float32Array>;
}

export class EmbeddingError extends Error {
  override readonly name = 'EmbeddingError';
  /** `permanent`: no retry. `transient`: costs an attempt. `throttled`: waits, costs none. */
  readonly kind: 'permanent' | 'transient' | 'throttled';
  readonly retryAfterSeconds: number | undefined;
  constructor(
    message: string,
    kind: EmbeddingError['kind'],
    options?: { cause?: unknown; retryAfterSeconds?: number },
  ) {
    super(message, options);
    this.kind = kind;
    this.retryAfterSeconds = options?.retryAfterSeconds;
  }
}
