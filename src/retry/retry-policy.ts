import type { UploadError } from '../errors/upload-error.ts';
import { backoffMs } from './backoff.ts';

/** The steps of an upload that are tried again by themselves. */
export type RetryStage = 'hash' | 'credentials' | 'put' | 'finalize';

/** Attempts per step before an upload is given up. */
export const MAX_ATTEMPTS: Readonly<Record<RetryStage, number>> = {
  hash: 3,
  credentials: 3,
  put: 5,
  finalize: 3,
};

/** Attempts of an upload that a person retried. */
export const URGENT_MAX_ATTEMPTS = 10;

export interface RetryDecision {
  /** False: give up. */
  readonly again: boolean;
  readonly delayMs: number;
}

/**
 * Whether and when to try again.
 *
 * @param attempt the attempt that failed, counted from 1
 */
export function decideRetry(
  stage: RetryStage,
  error: UploadError,
  attempt: number,
  isUrgent: boolean,
  random: number,
): RetryDecision {
  const limit = isUrgent ? URGENT_MAX_ATTEMPTS : MAX_ATTEMPTS[stage];
  if (error.action === 'permanent' || attempt >= limit) return { again: false, delayMs: 0 };
  const delayMs = Math.max(backoffMs(attempt, error.kind, random), error.retryAfterMs ?? 0);
  return { again: true, delayMs };
}
