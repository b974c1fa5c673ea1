import type { FileProblem } from 'bulkhead/protocol';
import { BlobNotFoundError } from '../blobs/blob-store.ts';
import { changeAssets, changed } from '../database/change-assets.ts';
import type { AssetRow } from '../database/schema.ts';
import { EmbeddingError } from '../embeddings/embedder.ts';
import { EMBEDDING_DELAYS_SECONDS, retryDelaySeconds, throttledDelaySeconds } from './backoff.ts';
import { nameFailure } from './name-failure.ts';
import type { Job } from './queue.ts';
import { readObject } from './read-object.ts';
import { MAX_DELIVERIES, type WorkerContext } from './worker-context.ts';

type ProcessedAsset = Pick<AssetRow, 'id' | 'user_id' | 'embedding_retry_count'> & {
  thumbnail_key: string;
};

/**
 * The handler of `embed` jobs: thumbnail → vector → `embedded`. Only processed assets. A permanent
 * failure is recorded and blocks nobody; being throttled costs no attempt.
 */
export function createImageEmbedder(context: WorkerContext): (job: Job) => Promise<void> {
  const { db, vectors, blobs, embedder } = context;
  return async (job) => {
    const asset = await loadAsset(context, job.data.assetId);
    if (!asset) return;
    if (job.attempt > MAX_DELIVERIES) {
      const detail = `Max retries exceeded: its worker ended ${MAX_DELIVERIES} times`;
      await recordFinal(context, job, asset, { code: 'max_retries_exceeded', detail });
      return;
    }
    let vector: Float32Array;
    try {
      const thumbnail = await readObject(blobs, asset.thumbnail_key, job.signal);
      vector = await embedder.embed(thumbnail, job.signal);
      checkVector(vector, embedder.dimensions);
    } catch (error) {
      job.signal.throwIfAborted();
      await decideFailure(context, job, asset, error);
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
          embedding_next_retry: null,
          ...changed(),
        })
        .where('id', '=', asset.id)
        .returning('user_id')
        .executeTakeFirst();
      if (!row) return undefined;
      const embedding = { model: embedder.model, vector: vectors.value(vector) };
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

/** The asset, if it waits for an embedding by this model. */
async function loadAsset(
  { db, embedder }: WorkerContext,
  id: string,
): Promise<ProcessedAsset | undefined> {
  const row = await db
    .selectFrom('assets')
    .leftJoin('embeddings', 'embeddings.asset_id', 'assets.id')
    .select(['assets.id', 'assets.user_id', 'assets.embedding_retry_count'])
    .select(['assets.thumbnail_key', 'assets.embedded', 'embeddings.model'])
    .where('assets.id', '=', id)
    .where('assets.processed', '=', true)
    .where('assets.failed', '=', false)
    .executeTakeFirst();
  if (!row || row.thumbnail_key === null) return undefined;
  if (row.embedded && row.model === embedder.model) return undefined;
  return { ...row, thumbnail_key: row.thumbnail_key };
}

/** A vector of the wrong length, or with NaN in it, would spoil every search it takes part in. */
function checkVector(vector: Float32Array, dimensions: number): void {
  if (vector.length === dimensions && vector.every(Number.isFinite)) return;
  throw new EmbeddingError(
    `The embedder gave ${vector.length} numbers where ${dimensions} finite ones were expected`,
    'permanent',
  );
}

async function decideFailure(
  context: WorkerContext,
  job: Job,
  asset: ProcessedAsset,
  error: unknown,
): Promise<void> {
  const kind = error instanceof EmbeddingError ? error.kind : 'transient';
  const message = describeEmbeddingError(error);
  const problem: FileProblem = { code: 'embedding_failed', detail: message };
  if (kind === 'permanent') {
    await recordFinal(context, job, asset, problem, error);
    return;
  }
  if (kind === 'throttled') {
    const retryAfter = (error as EmbeddingError).retryAfterSeconds;
    const delay = throttledDelaySeconds(retryAfter, context.random);
    await reschedule(context, job, asset, delay, error);
    return;
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

/** An embedder's own words are made to be shown; other errors may name paths, so only their kind is. */
function describeEmbeddingError(error: unknown): string {
  if (error instanceof EmbeddingError) return error.message;
  if (error instanceof BlobNotFoundError) return 'The object store does not have the thumbnail';
  return `The server could not embed the image (${nameFailure(error)})`;
}

/** The next attempt, in the same transaction. Only a failure that counts is shown on the asset. */
async function reschedule(
  { db, queue, changes, logger, summary, clock, telemetry }: WorkerContext,
  job: Job,
  asset: ProcessedAsset,
  delaySeconds: number,
  cause: unknown,
  counted?: { problem: FileProblem; failures: number },
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
    counted ? '[Jobs] embedding failed' : '[Jobs] embedding throttled',
  );
  summary.count('retried');
  telemetry.files('embed', 'retried');
  telemetry.failure('embed', counted?.problem.code ?? 'throttled');
  changes.changed([asset.user_id]);
}

async function recordFinal(
  { db, changes, logger, summary, telemetry }: WorkerContext,
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
        failed: true,
        ...changed(),
      })
      .where('id', '=', asset.id)
      .execute();
  });
  const fields = { job: 'embed', assetId: asset.id, code: problem.code, err: cause };
  logger.error(fields, `[Jobs] embedding failed for good: ${problem.detail}`);
  summary.count('failed');
  telemetry.files('embed', 'failed');
  telemetry.failure('embed', problem.code);
  changes.changed([asset.user_id]);
}
