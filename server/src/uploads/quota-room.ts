import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import { ProblemError } from '../problem-error.ts';
import {
  admitFiles,
  describeExceeded,
  type Quotas,
  secondsUntilFree,
  type Usage,
} from '../rate-limit/quota.ts';
import { isLate, tooManyOpen } from './reserve.ts';
import { readUsage } from './usage.ts';

/** What is known of a file whose bytes are not here yet. */
export interface ExpectedFile {
  /** It has so many bytes at least. */
  leastBytes: number;
  /** It may have so many, whoever sends it. */
  mostBytes: number;
  clientId: string | undefined;
  /** As the sender says. */
  checksum: string | undefined;
}

/** Asks beforehand whether a file may be taken. The reservation decides; this spares the bytes. */
export interface QuotaRoom {
  /**
   * A repeat of what is reserved or stored, and bytes that the user has, cost nothing: they pass.
   * @returns how many bytes the file may have, at most `mostBytes`
   * @throws {ProblemError} `quota_exceeded`, `rate_limited`, each with its wait
   */
  admit(userId: string, file: ExpectedFile): Promise<number>;
  /** The refusal of a file that does not fit, with its wait. */
  exceeded(userId: string): Promise<ProblemError>;
}

export function createQuotaRoom({
  db,
  quotas,
  clock,
}: {
  db: Database;
  quotas: Quotas;
  clock: Clock;
}): QuotaRoom {
  /** Whether it costs nothing, as far as the sender says. */
  const isKnown = async (userId: string, { clientId, checksum }: ExpectedFile, nowMs: number) => {
    const reserved =
      clientId !== undefined &&
      (await db
        .selectFrom('uploads')
        .select(['state', 'expires_at'])
        .where('user_id', '=', userId)
        .where('client_id', '=', clientId)
        .where('state', '<>', 'rejected')
        .executeTakeFirst());
    if (reserved && (reserved.state === 'finalized' || !isLate(reserved, nowMs))) {
      return true;
    }
    if (checksum === undefined) return false;
    const asset = await db
      .selectFrom('assets')
      .select('id')
      .where('user_id', '=', userId)
      .where('checksum', '=', checksum)
      .executeTakeFirst();
    return asset !== undefined;
  };

  const exceededBy = (usage: Usage, nowMs: number) =>
    new ProblemError('quota_exceeded', describeExceeded(usage, quotas, nowMs), {
      retryAfterSeconds: secondsUntilFree(usage, nowMs),
    });

  return {
    async admit(userId, file) {
      const nowMs = clock();
      const usage = await readUsage(db, userId, nowMs);
      const { leastBytes, mostBytes } = file;
      const leftBytes = quotas.maxBytesPerDay - usage.bytes;
      const fits = admitFiles([{ size: leastBytes }], usage, quotas).admitted.length > 0;
      const isOpen = usage.openUploads < quotas.maxOpenUploads;
      if (fits && isOpen && leftBytes >= mostBytes) return mostBytes;
      if (await isKnown(userId, file, nowMs)) return mostBytes;
      if (!fits) throw exceededBy(usage, nowMs);
      if (!isOpen) throw tooManyOpen(usage, quotas, nowMs);
      return leftBytes;
    },
    async exceeded(userId) {
      const nowMs = clock();
      return exceededBy(await readUsage(db, userId, nowMs), nowMs);
    },
  };
}
