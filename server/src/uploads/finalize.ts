import type { FileProblem, FinalizedAsset, FinalizeItem, FinalizeResult } from 'bulkhead/protocol';
import { sql } from 'kysely';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { Clock } from '../clock.ts';
import { mapConcurrently } from '../concurrency.ts';
import { changeAssets } from '../database/change-assets.ts';
import type { Database, UploadRow } from '../database/schema.ts';
import type { ChangeFeed } from '../events/change-feed.ts';
import type { Queue } from '../jobs/queue.ts';
import type { AssetView } from '../library/asset-view.ts';
import type { Logger } from '../logging.ts';
import { fileProblem } from '../problem-error.ts';
import type { Quotas } from '../rate-limit/quota.ts';
import { noTelemetry, type Telemetry } from '../telemetry/telemetry.ts';
import { beyondQuota } from './beyond-quota.ts';
import { abortLeftover, completeMultipart } from './complete-multipart.ts';
import { type Inspection, inspectObject } from './inspect-object.ts';
import { absentOf } from './missing-blobs.ts';
import { type Accepted, type Refused, settleUploads } from './settle-uploads.ts';

/** Objects looked at in the store at once, per request. */
const STORE_CONCURRENCY = 16;

export interface FinalizerParts {
  db: Database;
  blobs: BlobStore;
  queue: Queue;
  view: AssetView;
  changes: ChangeFeed;
  quotas: Quotas;
  clock: Clock;
  logger: Logger;
  telemetry?: Telemetry;
}

/** Turns uploaded objects into assets. */
export interface Finalizer {
  /**
   * One result per item, in their order. Whatever is repeated, or runs at the same time, gets the
   * same answer: an upload becomes one asset with one job.
   * @param known what is known of objects by asset id, because they were stored just now: the store is
   *   not asked again.
   */
  finalize(
    userId: string,
    items: readonly FinalizeItem[],
    known?: ReadonlyMap<string, Inspection>,
  ): Promise<FinalizeResult[]>;
}

type Outcome = { asset: FinalizedAsset } | { problem: FileProblem };

export function createFinalizer(parts: FinalizerParts): Finalizer {
  const { db, blobs, view, changes, logger, telemetry = noTelemetry } = parts;

  /** Under way in this process: a large object that several requests ask about is read once. */
  const underWay = new Map<string, Promise<Inspection>>();
  const inspect = (row: UploadRow): Promise<Inspection> => {
    const running = underWay.get(row.id);
    if (running) return running;
    const inspecting = completeMultipart(blobs, row)
      .then(() => inspectObject(blobs, row))
      .finally(() => underWay.delete(row.id));
    underWay.set(row.id, inspecting);
    return inspecting;
  };

  const reservations = async (userId: string, ids: readonly string[]) => {
    const rows = await db
      .selectFrom('uploads')
      .selectAll()
      .where('user_id', '=', userId)
      .where('id', 'in', ids)
      .execute();
    return new Map(rows.map((row) => [row.id, row]));
  };

  /** What reservations that are no longer pending came to; null for those that still are. */
  const settled = async (userId: string, rows: Iterable<UploadRow>) => {
    const finalized = [...rows].filter((row) => row.state === 'finalized');
    const assetIds = finalized.flatMap((row) => row.asset_id ?? []);
    const assets =
      assetIds.length === 0
        ? []
        : await db
            .selectFrom('assets')
            .selectAll()
            .where('user_id', '=', userId)
            .where('id', 'in', assetIds)
            .execute();
    const byId = new Map(assets.map((asset) => [asset.id, asset]));
    return async (row: UploadRow | undefined): Promise<Outcome | null> => {
      if (!row) return { problem: fileProblem('not_found', 'There is no such upload') };
      if (row.state === 'pending') return null;
      if (row.state === 'rejected') return { problem: row.error ?? fileProblem('not_found') };
      const asset = row.asset_id === null ? undefined : byId.get(row.asset_id);
      if (!asset) return { problem: fileProblem('not_found') };
      return { asset: await view.finalized(asset, row.is_duplicate) };
    };
  };

  /**
   * Keys of assets with the same bytes that the store does not have: what was uploaded may be the only copy.
   * Rare, since credentials are not granted for bytes that are there.
   */
  const bereftAssets = async (userId: string, accepted: readonly Accepted[]) => {
    if (accepted.length === 0) return new Set<string>();
    const checksums = accepted.map(({ row }) => row.checksum);
    const assets = await db
      .selectFrom('assets')
      .select(['id', 'key'])
      .where('user_id', '=', userId)
      .where('checksum', '=', sql<string>`any(${checksums}::text[])`)
      .execute();
    const absent = new Set(await absentOf(blobs, assets));
    return new Set(assets.filter(({ id }) => absent.has(id)).map(({ key }) => key));
  };

  /**
   * What the store had to say of the pending ones, made permanent.
   * @returns what became of those that were still pending: others were settled by another request.
   */
  const record = async (
    userId: string,
    accepted: readonly Accepted[],
    refused: readonly Refused[],
  ): Promise<Map<string, Outcome>> => {
    const bereft = await bereftAssets(userId, accepted);
    const { rejected, finalized, exceeding } = await changeAssets(db, [userId], (tx) =>
      settleUploads(parts, tx, userId, { accepted, refused, bereft }),
    );
    const duplicates = finalized.filter(({ isDuplicate }) => isDuplicate);
    if (finalized.length > duplicates.length) {
      changes.changed([userId]);
      const uploaded = finalized.filter(({ row, asset }) => row.id === asset.id);
      telemetry.uploaded(uploaded.map(({ row }) => row.created_at.getTime()));
    }
    const obsoleteKeys = [...rejected, ...duplicates].map(({ row }) => row.key);
    // After the commit: until then the object may still be needed. The sweep removes it in case
    // this does not come to pass.
    if (obsoleteKeys.length > 0) {
      await blobs.delete(obsoleteKeys).catch((error: unknown) => {
        logger.warn({ err: error }, 'Objects that nothing needs could not be deleted yet');
      });
    }
    for (const { row } of [...rejected, ...finalized]) await abortLeftover(blobs, row, logger);
    const outcomes = new Map<string, Outcome>();
    for (const { row, problem } of [...rejected, ...exceeding]) outcomes.set(row.id, { problem });
    await Promise.all(
      finalized.map(async ({ row, asset, isDuplicate }) => {
        outcomes.set(row.id, { asset: await view.finalized(asset, isDuplicate) });
      }),
    );
    return outcomes;
  };

  return {
    async finalize(userId, items, known) {
      const ids = [...new Set(items.map((item) => item.assetId))];
      const before = await reservations(userId, ids);
      const answerBefore = await settled(userId, before.values());
      // Whoever names another checksum than was promised is confused about this upload: that is
      // answered, and nothing changes.
      const meant = new Set(
        items
          .filter(({ assetId, checksum }) => !contradicts(before.get(assetId), checksum))
          .map((item) => item.assetId),
      );
      const pending = [...before.values()].filter(
        (row) => row.state === 'pending' && meant.has(row.id),
      );
      // Before the store is asked: to read a large object only to say so again would cost too much.
      const unknown = pending.filter(({ id }) => !known?.has(id));
      const exceeding = await beyondQuota(parts, userId, unknown);
      const inspections = new Map<string, Inspection>();
      const unanswered = new Set<string>();
      const fitting = pending.filter(({ id }) => !exceeding.has(id));
      await mapConcurrently(fitting, STORE_CONCURRENCY, async (row) => {
        try {
          inspections.set(row.id, known?.get(row.id) ?? (await inspect(row)));
        } catch (error) {
          // Files in parts ask more of the store than others do, which its policy may not allow.
          if (row.multipart_id === null) throw error;
          logger.error({ err: error, uploadId: row.id }, 'A file in parts could not be completed');
          unanswered.add(row.id);
        }
      });
      const accepted: Accepted[] = [];
      const refused: Refused[] = [];
      for (const row of fitting) {
        const inspection = inspections.get(row.id);
        if (inspection?.status === 'accepted') {
          accepted.push({ row, mimeType: inspection.mimeType });
        } else if (inspection?.status === 'refused') {
          refused.push({ row, problem: inspection.problem });
        }
      }
      const outcomes =
        accepted.length > 0 || refused.length > 0
          ? await record(userId, accepted, refused)
          : new Map<string, Outcome>();

      // Of the others, another request may have settled some meanwhile: the table answers, not memory.
      const isComplete = pending.every((row) => outcomes.has(row.id));
      const after = isComplete ? before : await reservations(userId, ids);
      const answerAfter = isComplete ? answerBefore : await settled(userId, after.values());
      return Promise.all(
        items.map(async ({ assetId, checksum }): Promise<FinalizeResult> => {
          const row = after.get(assetId);
          if (contradicts(row, checksum)) {
            const error = fileProblem('checksum_mismatch', 'Another checksum was promised');
            return { assetId, success: false, error };
          }
          const outcome = outcomes.get(assetId) ??
            (await answerAfter(row)) ?? {
              problem:
                exceeding.get(assetId) ??
                fileProblem(unanswered.has(assetId) ? 'internal' : 'not_uploaded'),
            };
          return 'asset' in outcome
            ? { assetId, success: true, asset: outcome.asset }
            : { assetId, success: false, error: outcome.problem };
        }),
      );
    },
  };
}

function contradicts(row: UploadRow | undefined, checksum: string | undefined): boolean {
  return row !== undefined && checksum !== undefined && checksum !== row.checksum;
}
