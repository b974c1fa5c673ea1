import { sql } from 'kysely';
import type { Database, Tx } from '../database/schema.ts';
import type { Usage } from '../rate-limit/quota.ts';

const HOUR_MS = 60 * 60 * 1000;
const DAY_MS = 24 * HOUR_MS;

/**
 * One user's reservations are made and settled one after the other, on all processes. It is taken before any
 * row of `uploads` is locked, and after the lock of `changeAssets` where both are needed: so nobody can wait
 * for one another.
 */
export async function lockUsage(tx: Tx, userId: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`bulkhead-usage:${userId}`}, 0))`.execute(
    tx,
  );
}

/**
 * What counts against a user's quotas. Open reservations count by themselves, so they are refunded by being
 * rejected, being a duplicate, or just by expiring; what became an asset counts for a day. One statement:
 * an upload that is finalized meanwhile is counted once, as the one or the other. What is decided for good is
 * read under {@link lockUsage}; without it the answer is a hint.
 */
export async function readUsage(tx: Tx | Database, userId: string, nowMs: number): Promise<Usage> {
  const { rows } = await sql<{
    open: number;
    open_bytes: number;
    first_expiry: Date | null;
    files: number;
    bytes: number;
    first_hour: Date | null;
  }>`
    select * from (
      select count(*)::int as open, coalesce(sum(size), 0)::bigint as open_bytes,
        min(expires_at) as first_expiry
      from uploads
      where user_id = ${userId} and state = 'pending' and expires_at > ${new Date(nowMs)}
    ) as reserved, (
      select coalesce(sum(files), 0)::bigint as files, coalesce(sum(bytes), 0)::bigint as bytes,
        min(hour) as first_hour
      from upload_usage
      where user_id = ${userId} and hour > ${new Date(nowMs - DAY_MS)}
    ) as added`.execute(tx);
  const [row] = rows;
  if (!row) throw new Error('The usage statement returned no row');
  return {
    openUploads: row.open,
    files: row.open + row.files,
    bytes: row.open_bytes + row.bytes,
    freesAtMs: (row.first_hour?.getTime() ?? nowMs) + DAY_MS,
    firstExpiryMs: row.first_expiry?.getTime() ?? null,
  };
}

/** Charges what became assets, for the day from now on. */
export async function chargeUsage(
  tx: Tx,
  userId: string,
  nowMs: number,
  assets: readonly { size: number }[],
): Promise<void> {
  if (assets.length === 0) return;
  const bytes = assets.reduce((sum, { size }) => sum + size, 0);
  await tx
    .insertInto('upload_usage')
    .values({
      user_id: userId,
      hour: new Date(nowMs - (nowMs % HOUR_MS)),
      files: assets.length,
      bytes,
    })
    .onConflict((conflict) =>
      conflict.columns(['user_id', 'hour']).doUpdateSet({
        files: sql`upload_usage.files + excluded.files`,
        bytes: sql`upload_usage.bytes + excluded.bytes`,
      }),
    )
    .execute();
}

/** Before this hour nothing counts any more. */
export function usageCutoff(nowMs: number): Date {
  return new Date(nowMs - DAY_MS);
}
