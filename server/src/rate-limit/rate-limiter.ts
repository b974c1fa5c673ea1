export interface RateLimitResult {
  allowed: boolean;
  /** Whole seconds until the tokens will be there: at least 1 when refused, 0 when allowed. */
  retryAfter: number;
  /** Whole tokens left. */
  remaining: number;
}

/** Limits each user by themselves. */
export interface RateLimiter {
  /** Takes `tokens` (default 1) if they are there; takes nothing when refused. */
  consume(userId: string, tokens?: number): Promise<RateLimitResult>;
  /** Forgets users who have been idle until they had all their tokens again. The server's sweep calls it. */
  sweep?(): Promise<void>;
}
