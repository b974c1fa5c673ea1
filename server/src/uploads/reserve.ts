import { randomUUID } from 'node:crypto';
import { CREDENTIAL_TTL_SECONDS, type FileProblem, type UploadRequest } from 'bulkhead/protocol';
import { sql } from 'kysely';
import { originalKey } from '../blobs/keys.ts';
import type { Clock } from '../clock.ts';
import type { Database, Tx, UploadRow } from '../database/schema.ts';
import { fileProblem, ProblemError } from '../problem-error.ts';
import { admitFiles, describeExceeded, type Quotas, type Usage } from '../rate-limit/quota.ts';
import { lockUsage, readUsage } from './usage.ts';

/** Finalize frees reservations too, long before they expire: it is worth asking again. */
const LONGEST_WAIT_SECONDS = 30;

export type Promised = UploadRequest & { contentType: string };

/** By client id: what stands for the file now, or why nothing does. */
export interface Reservations {
  uploads: Map<string, UploadRow>;
  refused: Map<string, FileProblem>;
}

/**
 * Makes the reservations that are new and renews those that stand. New ones, and those whose time was
 * over, are charged to the user's quotas in their order; rejected ones do not count: their client id is
 * free again, for a new asset id.
 *
 * @throws {ProblemError} `rate_limited` when so many would be open as no user may have: nothing is reserved,
 *   and waiting helps. Beyond a daily quota only the file is refused, as `quota_exceeded`.
 */
export async function reserveUploads(
  { db, quotas, clock }: { db: Database; quotas: Quotas; clock: Clock },
  userId: string,
  files: readonly Promised[],
): Promise<Reservations> {
  if (files.length === 0) return { uploads: new Map(), refused: new Map() };
  return db.transaction().execute(async (tx) => {
    await lockUsage(tx, userId);
    const nowMs = clock();
    const standing = await standingOf(tx, userId, files, nowMs);
    const charged = files.filter((file) => !standing.has(file.clientId));
    const before = await readUsage(tx, userId, nowMs);
    const { admitted, exceeding, usage } = admitFiles(charged, before, quotas);
    if (usage.openUploads > quotas.maxOpenUploads && admitted.length > 0) {
      throw tooManyOpen(before, quotas, nowMs);
    }
    const problem = fileProblem('quota_exceeded', describeExceeded(usage, quotas, nowMs));
    const refused = new Map(exceeding.map((file) => [file.clientId, problem]));
    const reserved = files.filter((file) => !refused.has(file.clientId));
    return { uploads: await upsert(tx, userId, reserved, nowMs), refused };
  });
}

/** Its time is over: it was refunded, and is charged anew when it is finalized. */
export function isLate(row: Pick<UploadRow, 'expires_at'>, nowMs: number): boolean {
  return row.expires_at.getTime() <= nowMs;
}

/** Client ids whose reservation counts already, or became an asset: they are charged nothing. */
async function standingOf(
  tx: Tx,
  userId: string,
  files: readonly Promised[],
  nowMs: number,
): Promise<Set<string>> {
  const clientIds = files.map((file) => file.clientId);
  const rows = await tx
    .selectFrom('uploads')
    .select(['client_id', 'state', 'expires_at'])
    .where('user_id', '=', userId)
    .where('client_id', '=', sql<string>`any(${clientIds}::text[])`)
    // Spelt out, as the index has it.
    .where('state', '<>', sql.lit('rejected'))
    .execute();
  const standing = rows.filter((row) => row.state === 'finalized' || !isLate(row, nowMs));
  return new Set(standing.map((row) => row.client_id));
}

async function upsert(
  tx: Tx,
  userId: string,
  files: readonly Promised[],
  nowMs: number,
): Promise<Map<string, UploadRow>> {
  if (files.length === 0) return new Map();
  const rows = await tx
    .insertInto('uploads')
    .values(
      files.map((file) => {
        const id = randomUUID();
        return {
          id,
          user_id: userId,
          client_id: file.clientId,
          key: originalKey(userId, id, nowMs),
          filename: file.filename,
          path: file.path ?? null,
          mime_type: file.contentType,
          size: file.size,
          checksum: file.checksum,
          state: 'pending' as const,
          expires_at: new Date(nowMs + CREDENTIAL_TTL_SECONDS * 1000),
          created_at: new Date(nowMs),
        };
      }),
    )
    .onConflict((conflict) =>
      conflict
        .columns(['user_id', 'client_id'])
        .where('state', '<>', sql.lit('rejected'))
        .doUpdateSet({
          expires_at: sql`case when uploads.state = 'pending'
            then greatest(uploads.expires_at, excluded.expires_at)
            else uploads.expires_at end`,
        }),
    )
    .returningAll()
    .execute();
  return new Map(rows.map((row) => [row.client_id, row]));
}

/** Waiting helps: reservations are finalized, or expire. */
export function tooManyOpen(usage: Usage, quotas: Quotas, nowMs: number): ProblemError {
  const waitMs = (usage.firstExpiryMs ?? nowMs) - nowMs;
  const retryAfterSeconds = Math.min(LONGEST_WAIT_SECONDS, Math.max(1, Math.ceil(waitMs / 1000)));
  return new ProblemError(
    'rate_limited',
    `Too many uploads are under way: ${usage.openUploads} of at most ${quotas.maxOpenUploads}. ` +
      `Please wait ${retryAfterSeconds}s and try again`,
    { retryAfterSeconds },
  );
}
