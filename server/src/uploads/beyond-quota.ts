import type { FileProblem } from 'bulkhead/protocol';
import type { Clock } from '../clock.ts';
import type { Database, UploadRow } from '../database/schema.ts';
import { fileProblem } from '../problem-error.ts';
import { admitFiles, describeExceeded, type Quotas } from '../rate-limit/quota.ts';
import { isLate } from './reserve.ts';
import { readUsage } from './usage.ts';

/**
 * Late reservations that no daily quota has room for, by id: the store need not be asked about them. Each is held
 * against what is used up just now, by itself: of several that would fit alone, the settling decides.
 */
export async function beyondQuota(
  { db, quotas, clock }: { db: Database; quotas: Quotas; clock: Clock },
  userId: string,
  pending: readonly UploadRow[],
): Promise<Map<string, FileProblem>> {
  const nowMs = clock();
  const late = pending.filter((row) => isLate(row, nowMs));
  if (late.length === 0) return new Map();
  const usage = await readUsage(db, userId, nowMs);
  const exceeding = late.filter((row) => admitFiles([row], usage, quotas).exceeding.length > 0);
  const problem = fileProblem('quota_exceeded', describeExceeded(usage, quotas, nowMs));
  return new Map(exceeding.map(({ id }) => [id, problem]));
}
