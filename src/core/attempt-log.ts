import type { UploadFailure } from '../errors/upload-error.ts';
import type { RetryStage } from '../retry/retry-policy.ts';

/** One failed try of one step. */
export interface FailedAttempt {
  readonly stage: RetryStage;
  /** Wall clock, milliseconds. */
  readonly atMs: number;
  readonly failure: UploadFailure;
}

/** What is remembered of one upload; the first ones go when there are more. */
const MOST_PER_UPLOAD = 20;

/** The failed attempts of uploads that are not through yet: what a dead letter tells. */
export class AttemptLog {
  readonly #attempts = new Map<string, FailedAttempt[]>();
  readonly #counts = new Map<string, number>();

  add(uploadId: string, attempt: FailedAttempt): void {
    const attempts = this.#attempts.get(uploadId) ?? [];
    attempts.push(attempt);
    if (attempts.length > MOST_PER_UPLOAD) attempts.shift();
    this.#attempts.set(uploadId, attempts);
    this.#counts.set(uploadId, this.countOf(uploadId) + 1);
  }

  /** All failed attempts, those no longer remembered included. */
  countOf(uploadId: string): number {
    return this.#counts.get(uploadId) ?? 0;
  }

  of(uploadId: string): readonly FailedAttempt[] {
    return this.#attempts.get(uploadId) ?? [];
  }

  /** A person tries it again: it is no suspect any more, though its history stays. */
  forgive(uploadId: string): void {
    this.#counts.delete(uploadId);
  }

  forget(uploadId: string): void {
    this.#attempts.delete(uploadId);
    this.#counts.delete(uploadId);
  }
}
