import type { FileProblem } from 'bulkhead/protocol';
import { sql } from 'kysely';
import { BlobNotFoundError } from '../blobs/blob-store.ts';
import { changeAssets, changed } from '../database/change-assets.ts';
import type { AssetRow } from '../database/schema.ts';
import { EmbeddingError, toVector } from '../embeddings/embedder.ts';
import { createProviderLane, type ProviderLane } from '../embeddings/provider-lane.ts';
import { EMBEDDING_DELAYS_SECONDS, retryDelaySeconds, throttledDelaySeconds } from './backoff.ts';
import { nameFailure } from './name-failure.ts';
import type { Job } from './queue.ts';
import { readObject } from './read-object.ts';
import { fromStore, StoreFailedError } from './store-failed-error.ts';
import { createStoreLane, type StoreLane } from './store-lane.ts';
import { MAX_DELIVERIES, type WorkerContext } from './worker-context.ts';

type ProcessedAsset = Pick<
  AssetRow,
  'id' | 'user_id' | 'embedded' | 'embedding_retry_count' | 'embedding_next_retry'
> & { thumbnail_key: string };

/**
 * The handler of `embed` jobs: thumbnail → vector → `embedded`. Only processed assets. A permanent
 * failure is recorded and blocks nobody; being throttled, a provider that is down, or a store that is, costs
 * no attempt.
 * An asset that has a vector of another model keeps it until the new one is there.
 *
 * @param lane shared with the loop that fetches the jobs; default: one without limits
 */
export function createImageEmbedder(
  context: WorkerContext,
  lane: ProviderLane = createProviderLane(context),
): (job: Job) => Promise<void> {
  const storeLane = createStoreLane(context, 'embed');
  const { db, vectors, blobs, embedder } = context;
  return async (job) => {
    const asset = await loadAsset(context, job.data.assetId);
    if (!asset) return;
    if (job.attempt > MAX_DELIVERIES) {
      const detail = `Max retries exceeded: its worker ended ${MAX_DELIVERIES} times`;
      await recordFinal(context, job, asset, { code: 'max_retries_exceeded', detail });
      return;
    }
    const storePausedSeconds = storeLane.pausedSeconds();
    if (storePausedSeconds > 0) {
      await waitForStore(context, storeLane, job, asset, storePausedSeconds);
      return;
    }
    let vector: Float32Array;
    try {
      const thumbnail = await fromStore(() => readObject(blobs, asset.thumbnail_key, job.signal));
      storeLane.worked();
      if (lane.pausedSeconds() > 0 || !(await lane.spend())) {
        await reschedule(context, job, asset, lane.pausedSeconds() * (1 + context.random() / 5));
        return;
      }
      const values = await embedder.embed(thumbnail, job.signal);
      lane.answered();
      vector = toVector(values, embedder.dimensions);
    } catch (error) {
      job.signal.throwIfAborted();
      // What the store cannot give while it gives others pays, as an original does.
      if (error instanceof StoreFailedError && !storeLane.isSuspect(asset.id)) {
        const pausedSeconds = storeLane.failed(nameFailure(error.cause), error);
        await waitForStore(context, storeLane, job, asset, pausedSeconds, error);
        return;
      }
      await decideFailure(context, lane, job, asset, error);
      return;
    }
    job.signal.throwIfAborted();
    const updated = await changeAssets(db, [asset.user_id], async (tx) => {
      await job.complete(tx);
      const row = await tx
        .updateTable('assets')
        .set({
          embedded: true,
          embedding_error: null,
          embedding_retry_count: 0,
          embedding_next_retry: null,
          ...changed(),
        })
        .where('id', '=', asset.id)
        .returning('user_id')
        .executeTakeFirst();
      if (!row) return undefined;
      const embedding = {
        model: embedder.model,
        vector: vectors.value(vector),
        version: sql<number>`nextval('asset_version')`,
        refused_by: null,
      };
      await tx
        .insertInto('embeddings')
        .values({ asset_id: asset.id, user_id: row.user_id, ...embedding })
        .onConflict((conflict) => conflict.column('asset_id').doUpdateSet(embedding))
        .execute();
      return row;
    });
    if (!updated) return;
    context.summary.count('embedded');
    context.telemetry.files('embed', 'done');
    context.changes.changed([updated.user_id]);
  };
}

/** It comes again after the pause, without an attempt. */
async function waitForStore(
  context: WorkerContext,
  storeLane: StoreLane,
  job: Job,
  asset: ProcessedAsset,
  pausedSeconds: number,
  cause?: unknown,
): Promise<void> {
  const delaySeconds = pausedSeconds * (1 + context.random() / 5);
  storeLane.deferred(asset.id, delaySeconds);
  await reschedule(context, job, asset, delaySeconds, cause, undefined, 'store');
}

/** The asset, if it waits for an embedding by this model. */
async function loadAsset(
  { db, embedder }: WorkerContext,
  id: string,
): Promise<ProcessedAsset | undefined> {
  const row = await db
    .selectFrom('assets')
    .leftJoin('embeddings', 'embeddings.asset_id', 'assets.id')
    .select(['assets.id', 'assets.user_id', 'assets.embedding_retry_count'])
    .select(['assets.thumbnail_key', 'assets.embedded', 'assets.embedding_next_retry'])
    .select('embeddings.model')
    .where('assets.id', '=', id)
    .where('assets.processed', '=', true)
    .where('assets.failed', '=', false)
    .executeTakeFirst();
  if (!row || row.thumbnail_key === null) return undefined;
  if (row.embedded && row.model === embedder.model) return undefined;
  return { ...row, thumbnail_key: row.thumbnail_key };
}

async function decideFailure(
  context: WorkerContext,
  lane: ProviderLane,
  job: Job,
  asset: ProcessedAsset,
  error: unknown,
): Promise<void> {
  const kind = error instanceof EmbeddingError ? error.kind : 'transient';
  const message = describeEmbeddingError(error);
  const problem: FileProblem = { code: 'embedding_failed', detail: message };
  if (kind === 'permanent') {
    lane.answered();
    await recordFinal(context, job, asset, problem, error);
    return;
  }
  if (kind === 'throttled') {
    const retryAfter = (error as EmbeddingError).retryAfterSeconds;
    const delay = throttledDelaySeconds(retryAfter, context.random);
    lane.throttled(delay);
    await reschedule(context, job, asset, delay, error);
    return;
  }
  if (kind === 'unavailable') {
    const isSuspect = wasAnsweredSince(lane, asset);
    const pausedSeconds = lane.failed();
    if (!isSuspect) {
      const delay = pausedSeconds * (1 + context.random() / 5);
      await reschedule(context, job, asset, delay, error);
      return;
    }
  } else if (error instanceof EmbeddingError) {
    lane.answered();
  }
  const failures = asset.embedding_retry_count + 1;
  const delay = retryDelaySeconds(EMBEDDING_DELAYS_SECONDS, failures, context.random);
  if (delay === undefined) {
    const detail = `Max retries exceeded: ${message}`;
    await recordFinal(context, job, asset, { code: 'max_retries_exceeded', detail }, error);
    return;
  }
  await reschedule(context, job, asset, delay, error, { problem, failures });
}

/**
 * Whether the provider answered for others since this image was given back: then it was not down, and
 * the image itself is what it cannot answer. It pays with an attempt.
 */
function wasAnsweredSince(lane: ProviderLane, asset: ProcessedAsset): boolean {
  const givenBackAtMs = asset.embedding_next_retry?.getTime();
  return givenBackAtMs !== undefined && (lane.answeredAtMs ?? 0) > givenBackAtMs;
}

/** An embedder's own words are made to be shown; other errors may name paths, so only their kind is. */
function describeEmbeddingError(error: unknown): string {
  if (error instanceof EmbeddingError) return error.message;
  if (error instanceof BlobNotFoundError) return 'The object store does not have the thumbnail';
  const failure = error instanceof StoreFailedError ? error.cause : error;
  return `The server could not embed the image (${nameFailure(failure)})`;
}

/** The next attempt, in the same transaction. Only a failure that counts is shown on the asset. */
async function reschedule(
  { db, queue, changes, logger, summary, clock, telemetry }: WorkerContext,
  job: Job,
  asset: ProcessedAsset,
  delaySeconds: number,
  cause?: unknown,
  counted?: { problem: FileProblem; failures: number },
  waitsFor: 'provider' | 'store' = 'provider',
): Promise<void> {
  const nextRetry = new Date(clock() + delaySeconds * 1000);
  await changeAssets(db, [asset.user_id], async (tx) => {
    await job.complete(tx);
    const row = await tx
      .updateTable('assets')
      .set({
        embedding_next_retry: nextRetry,
        ...(counted && {
          embedding_error: JSON.stringify(counted.problem),
          embedding_retry_count: counted.failures,
        }),
        ...changed(),
      })
      .where('id', '=', asset.id)
      .returning('id')
      .executeTakeFirst();
    if (!row) return;
    const next = [{ assetId: asset.id }];
    await queue.enqueue(tx, 'embed', next, { startAfterSeconds: delaySeconds });
  });
  const fields = { job: 'embed', assetId: asset.id, retryInSeconds: Math.round(delaySeconds) };
  logger.warn(
    { ...fields, err: cause },
    counted ? '[Jobs] embedding failed' : `[Jobs] embedding waits for its ${waitsFor}`,
  );
  summary.count('retried');
  telemetry.files('embed', 'retried');
  const waiting = waitsFor === 'store' ? 'unavailable' : 'throttled';
  telemetry.failure('embed', counted?.problem.code ?? waiting);
  changes.changed([asset.user_id]);
}

/** One that has a vector of an earlier model stays searchable by it, and is not asked for again. */
async function recordFinal(
  { db, embedder, changes, logger, summary, telemetry }: WorkerContext,
  job: Job,
  asset: ProcessedAsset,
  problem: FileProblem,
  cause?: unknown,
): Promise<void> {
  await changeAssets(db, [asset.user_id], async (tx) => {
    await job.complete(tx);
    await tx
      .updateTable('assets')
      .set({
        embedding_error: JSON.stringify(problem),
        embedding_next_retry: null,
        failed: !asset.embedded,
        ...changed(),
      })
      .where('id', '=', asset.id)
      .execute();
    await tx
      .updateTable('embeddings')
      .set({ refused_by: embedder.model })
      .where('asset_id', '=', asset.id)
      .execute();
  });
  const fields = { job: 'embed', assetId: asset.id, code: problem.code, err: cause };
  logger.error(fields, `[Jobs] embedding failed for good: ${problem.detail}`);
  summary.count('failed');
  telemetry.files('embed', 'failed');
  telemetry.failure('embed', problem.code);
  changes.changed([asset.user_id]);
}
