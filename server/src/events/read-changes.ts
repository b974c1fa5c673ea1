import { sql } from 'kysely';
import type { AssetRow, Database } from '../database/schema.ts';

export const PAGE_CHANGES = 500;
const PAGE_USERS = 1000;

/**
 * What changed since, the oldest first, {@link PAGE_CHANGES} at most. One user's versions become visible
 * in their order (`changeAssets`): none can appear later below one that was read.
 */
export function changesSince(db: Database, userId: string, version: number): Promise<AssetRow[]> {
  return db
    .selectFrom('assets')
    .selectAll()
    .where('user_id', '=', userId)
    .where('version', '>', version)
    .orderBy('version')
    .limit(PAGE_CHANGES)
    .execute();
}

/** Each user's newest version; 0 for one without assets. One probe of an index each. */
export async function newestVersions(
  db: Database,
  userIds: readonly string[],
): Promise<Map<string, number>> {
  const newest = new Map<string, number>();
  for (let at = 0; at < userIds.length; at += PAGE_USERS) {
    const page = userIds.slice(at, at + PAGE_USERS);
    const { rows } = await sql<{ user_id: string; version: number }>`
      select wanted.id as user_id, coalesce((
        select version from assets where assets.user_id = wanted.id order by version desc limit 1
      ), 0)::bigint as version
      from unnest(${page}::text[]) as wanted (id)`.execute(db);
    for (const row of rows) newest.set(row.user_id, row.version);
  }
  return newest;
}
