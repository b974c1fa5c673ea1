import type { FailureKind, UploadFailure } from '../errors/upload-error.ts';
import type { AttemptLog, FailedAttempt } from './attempt-log.ts';
import { toCsv } from './csv.ts';
import type { Emitter } from './emitter.ts';
import type { Ledger } from './ledger.ts';
import type { Retries } from './retries.ts';
import type { Upload } from './upload-state.ts';

/** An upload that failed for good, and what was tried. Plain data, without URLs. */
export interface DeadLetter {
  readonly id: string;
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly batchId: string;
  /** The cause in a person's terms. */
  readonly cause: FailureKind;
  /** The last failure: its code, its sentence, and the status of the last response. */
  readonly failure: UploadFailure;
  /** The failed attempts, oldest first, at most the last 20. */
  readonly attempts: readonly FailedAttempt[];
  /** Wall clock, milliseconds. */
  readonly failedMs: number;
  /** False for what would be refused again: redrive leaves it out. */
  readonly canRedrive: boolean;
}

/** One dead letter by its upload's id, all of one cause, or all. */
export type DeadLetterSelector = { readonly id: string } | { readonly cause: FailureKind } | 'all';

export interface DeadLetterParts {
  readonly ledger: Ledger;
  readonly emitter: Emitter;
  readonly attemptLog: AttemptLog;
  readonly retries: Retries;
  /** Forgets an upload. */
  remove(id: string): void;
}

/** What failed for good, kept until it is redriven or cleared. */
export class DeadLetters {
  readonly #parts: DeadLetterParts;

  constructor(parts: DeadLetterParts) {
    this.#parts = parts;
    parts.emitter.on('upload-failed', ({ id, failure }) => {
      parts.emitter.emit({ type: 'upload-dead-lettered', id, kind: failure.kind });
    });
  }

  /** Oldest first. */
  list(selector: DeadLetterSelector = 'all'): DeadLetter[] {
    const letters: DeadLetter[] = [];
    for (const upload of this.#parts.ledger.failures()) {
      if (!('failure' in upload)) continue;
      if (selector !== 'all' && 'id' in selector && selector.id !== upload.id) continue;
      const letter = this.#toLetter(upload);
      if (selector === 'all' || 'id' in selector || letter.cause === selector.cause) {
        letters.push(letter);
      }
    }
    return letters;
  }

  /** How many there are of each cause; O(number of dead letters). */
  countByCause(): Record<FailureKind, number> {
    const counts = { rate_limit: 0, network: 0, server: 0, invalid: 0, unknown: 0 };
    for (const { cause } of this.list()) counts[cause] += 1;
    return counts;
  }

  /** Tries them again, before everything else and with ten attempts. @returns how many */
  redrive(selector: DeadLetterSelector = 'all'): number {
    const count = this.list(selector).filter(({ id }) => this.#parts.retries.retry(id)).length;
    if (count > 0) this.#parts.emitter.emit({ type: 'dead-letters-redriven', count });
    return count;
  }

  /** For support, or to send them by other means. */
  export(format: 'json' | 'csv', selector: DeadLetterSelector = 'all'): string {
    const letters = this.list(selector);
    if (format === 'json') return JSON.stringify(letters, null, 2);
    const header = [
      'path',
      'name',
      'size_bytes',
      'cause',
      'code',
      'message',
      'status',
      'attempts',
      'failed_at',
    ];
    const rows = letters.map(({ path, name, sizeBytes, cause, failure, attempts, failedMs }) => [
      path,
      name,
      sizeBytes,
      cause,
      failure.code,
      failure.message,
      failure.status,
      attempts.length,
      new Date(failedMs).toISOString(),
    ]);
    return toCsv(header, rows);
  }

  /** Forgets them: they no longer count. Stored files stay stored. @returns how many */
  clear(selector: DeadLetterSelector = 'all'): number {
    const letters = this.list(selector);
    for (const { id } of letters) this.#parts.remove(id);
    return letters.length;
  }

  #toLetter(upload: Upload & { readonly failure: UploadFailure }): DeadLetter {
    const { id, name, path, sizeBytes, batchId, failure } = upload;
    const { ledger, attemptLog, retries } = this.#parts;
    const failedMs = ledger.timeline.of(id)?.failedMs ?? 0;
    const cause = failure.kind;
    const attempts = attemptLog.of(id);
    const canRedrive = retries.canRetry(upload);
    return { id, name, path, sizeBytes, batchId, cause, failure, attempts, failedMs, canRedrive };
  }
}
