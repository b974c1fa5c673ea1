import type { SelectQueryBuilder } from 'kysely';
import type { AssetRow, Schema } from '../database/schema.ts';
import { decodeCursor, encodeCursor } from './page-cursor.ts';

export interface Page {
  rows: AssetRow[];
  /** Of the page after this one; null when there is none. */
  nextCursor: string | null;
}

/**
 * A page of these assets, newest first.
 * @throws {ProblemError} `invalid_request` on a cursor that is none
 */
export async function readPage(
  assets: SelectQueryBuilder<Schema, 'assets', AssetRow>,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): Promise<Page> {
  let query = assets;
  if (cursor !== undefined) {
    const { createdAt, id } = decodeCursor(cursor);
    query = query
      .where('created_at', '<=', createdAt)
      .where((eb) => eb.or([eb('created_at', '<', createdAt), eb('id', '>', id)]));
  }
  const found = await query
    .orderBy('created_at', 'desc')
    .orderBy('id')
    .limit(limit + 1)
    .execute();
  const rows = found.slice(0, limit);
  const last = rows.at(-1);
  const hasMore = found.length > limit && last !== undefined;
  return {
    rows,
    nextCursor: hasMore ? encodeCursor({ createdAt: last.created_at, id: last.id }) : null,
  };
}
