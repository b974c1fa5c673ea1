import type { Asset, AssetChange, AssetStage } from 'bulkhead/protocol';
import { changeAssets, unfailed } from '../database/change-assets.ts';
import type { AssetRow, Database } from '../database/schema.ts';
import type { ChangeFeed } from '../events/change-feed.ts';
import type { Queue } from '../jobs/queue.ts';
import { ProblemError } from '../problem-error.ts';
import { isInStage } from './asset-stage.ts';
import type { AssetView } from './asset-view.ts';
import { readPage } from './read-page.ts';

/** A person's retry goes before everything that waits by itself. */
const RETRY_PRIORITY = 10;

/** One user's assets. Another user's asset is `not_found`, like one that never was. */
export interface Library {
  page(
    userId: string,
    query: { cursor?: string | undefined; limit: number; stage?: AssetStage | undefined },
  ): Promise<{ assets: Asset[]; nextCursor: string | null }>;
  /** @throws {ProblemError} `not_found` */
  asset(userId: string, id: string): Promise<Asset>;
  /** Where these assets stand now. Ids that are unknown, or another user's, are left out. */
  changes(userId: string, ids: readonly string[]): Promise<AssetChange[]>;
  /**
   * Redrives an asset that failed or waits for its next attempt; one that did not fail is left
   * alone.
   * @throws {ProblemError} `not_found`
   */
  retryProcessing(userId: string, id: string): Promise<Asset>;
}

export function createLibrary(parts: {
  db: Database;
  queue: Queue;
  view: AssetView;
  changes: ChangeFeed;
}): Library {
  const { db, queue, view, changes } = parts;

  const rowOf = async (userId: string, id: string): Promise<AssetRow> => {
    const row = await db
      .selectFrom('assets')
      .selectAll()
      .where('user_id', '=', userId)
      .where('id', '=', id)
      .executeTakeFirst();
    if (!row) throw new ProblemError('not_found', 'There is no such asset');
    return row;
  };

  return {
    async page(userId, { stage, ...page }) {
      const assets = db.selectFrom('assets').selectAll();
      const chosen = stage
        ? assets.where(isInStage(userId, stage))
        : assets.where('user_id', '=', userId);
      const { rows, nextCursor } = await readPage(chosen, page);
      return { assets: await Promise.all(rows.map((row) => view.asset(row))), nextCursor };
    },

    async asset(userId, id) {
      return view.asset(await rowOf(userId, id));
    },

    async changes(userId, ids) {
      const rows = await db
        .selectFrom('assets')
        .selectAll()
        .where('user_id', '=', userId)
        .where('id', 'in', ids)
        .orderBy('version')
        .execute();
      return Promise.all(rows.map((row) => view.change(row)));
    },

    async retryProcessing(userId, id) {
      const row = await changeAssets(db, [userId], async (tx) => {
        const asset = await tx
          .selectFrom('assets')
          .selectAll()
          .where('user_id', '=', userId)
          .where('id', '=', id)
          .forUpdate()
          .executeTakeFirst();
        if (!asset) throw new ProblemError('not_found', 'There is no such asset');
        const hasFailed = asset.failed || asset.processing_error || asset.embedding_error;
        // One that is embedded, with an error, failed at being embedded anew by a later model.
        if (!hasFailed || (asset.embedded && !asset.embedding_error)) return asset;
        const redriven = await tx
          .updateTable('assets')
          .set({
            ...unfailed(),
          })
          .where('id', '=', id)
          .returningAll()
          .executeTakeFirstOrThrow();
        await queue.enqueue(tx, asset.processed ? 'embed' : 'process', [{ assetId: id }], {
          priority: RETRY_PRIORITY,
        });
        return redriven;
      });
      changes.changed([userId]);
      return view.asset(row);
    },
  };
}
