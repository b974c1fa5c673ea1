import type { FileProblem } from 'bulkhead/protocol';
import { sql } from 'kysely';
import { BlobNotFoundError } from '../blobs/blob-store.ts';
import { imageKey, thumbnailKey } from '../blobs/keys.ts';
import { createLimit } from '../concurrency.ts';
import { changeAssets, changed } from '../database/change-assets.ts';
import type { AssetRow, Tx } from '../database/schema.ts';
import { ImageError } from '../images/image-error.ts';
import type { RenderedImage } from '../images/render-image.ts';
import { PROCESSING_DELAYS_SECONDS, retryDelaySeconds } from './backoff.ts';
import { gather } from './gather.ts';
import { machineFailure } from './machine-failure.ts';
import { nameFailure } from './name-failure.ts';
import type { Job } from './queue.ts';
import { readObject } from './read-object.ts';
import { createSettler } from './settle-together.ts';
import { fromStore, StoreFailedError } from './store-failed-error.ts';
import type { StoreLane } from './store-lane.ts';
import { MAX_DECODER_CRASHES, type WorkerContext } from './worker-context.ts';

type PendingAsset = Pick<AssetRow, 'id' | 'user_id' | 'key' | 'size' | 'processing_retry_count'>;

/** How long an image waits for which a machine is too full, while others go through. */
const MACHINE_PAUSE_SECONDS = 300;
/** So many of those pauses are at least a day: then no machine here is large enough for it. */
const MAX_MACHINE_WAITS = 288;

/** What a job made, to be committed. */
interface Result {
  job: Job;
  userId: string;
  assetId: string;
  width: number;
  height: number;
  mimeType: string;
  image: string;
  thumbnail: string;
}

/**
 * The handler of `process` jobs: original → main image and thumbnail → `processed`, and the next
 * stage's job, in one transaction. What is wrong with the image is recorded on the asset. What is wrong
 * with the store or this machine costs no attempt: the image waits. What is wrong with the database is
 * thrown, and the queue delivers the job again.
 *
 * @param lane shared with the loop that fetches the jobs
 */
export function createImageProcessor(
  context: WorkerContext,
  lane: StoreLane,
): (job: Job) => Promise<void> {
  const { blobs, decoder } = context;
  const loadAsset = createAssetLoader(context);
  const settle = createSettler(context.db, (tx, results: readonly Result[]) =>
    writeProcessed(context, tx, results),
  );
  const withOriginal = createLimit(context.maxOriginals);
  return async (job) => {
    const asset = await loadAsset(job.data.assetId);
    if (!asset) {
      lane.undecided();
      return;
    }
    if (job.attempt > context.maxProcessDeliveries) {
      lane.undecided();
      const detail = `Max retries exceeded: its worker ended ${context.maxProcessDeliveries} times`;
      await recordFailure(context, job, asset, { code: 'max_retries_exceeded', detail }, undefined);
      return;
    }
    if (lane.pausedSeconds() > 0) {
      // It was fetched before the pause began.
      await defer(context, lane, job, asset, lane.pausedSeconds());
      return;
    }
    let result: Result;
    try {
      const rendered = await withOriginal(async () => {
        const bytes = await fromStore(() => readObject(blobs, asset.key, job.signal, asset.size));
        return decoder.render(bytes, job.signal);
      });
      job.signal.throwIfAborted();
      result = await fromStore(() => storeDerivatives(context, job, asset, rendered));
    } catch (error) {
      if (job.signal.aborted) lane.undecided();
      job.signal.throwIfAborted();
      await decideFailure(context, lane, job, asset, error);
      return;
    }
    lane.worked();
    job.signal.throwIfAborted();
    await finish(context, result, await settle(result));
  };
}

/** Jobs that start together are looked up together. */
function createAssetLoader({ db }: WorkerContext) {
  return gather(async (ids: readonly string[]): Promise<(PendingAsset | undefined)[]> => {
    const rows = await db
      .selectFrom('assets')
      .select(['id', 'user_id', 'key', 'size', 'processing_retry_count'])
      .where('id', 'in', ids)
      .where('processed', '=', false)
      .where('failed', '=', false)
      .execute();
    const found = new Map(rows.map((row) => [row.id, row]));
    return ids.map((id) => found.get(id));
  });
}

/** Under names that follow from the original's, so that doing it again changes nothing. */
async function storeDerivatives(
  { blobs }: WorkerContext,
  job: Job,
  asset: PendingAsset,
  { main, thumbnail: small, width, height, mimeType }: RenderedImage,
): Promise<Result> {
  const image = imageKey(asset.key, main.contentType);
  const thumbnail = thumbnailKey(asset.key);
  await blobs.write(image, main.bytes, main.contentType);
  await blobs.write(thumbnail, small.bytes, small.contentType);
  const size = { width, height, mimeType };
  return { job, userId: asset.user_id, assetId: asset.id, ...size, image, thumbnail };
}

/** @returns whether each asset still waited for it */
async function writeProcessed(
  { queue }: WorkerContext,
  tx: Tx,
  results: readonly Result[],
): Promise<boolean[]> {
  const column = <Key extends keyof Result>(key: Key) => results.map((result) => result[key]);
  const rows = await tx
    .updateTable('assets')
    .from(
      sql<{ id: string; w: number; h: number; mime: string; image: string; thumb: string }>`unnest(
        ${column('assetId')}::uuid[], ${column('width')}::int[], ${column('height')}::int[],
        ${column('mimeType')}::text[], ${column('image')}::text[], ${column('thumbnail')}::text[]
      )`.as<'made'>(sql`made (id, w, h, mime, image, thumb)`),
    )
    .set((set) => ({
      processed: true,
      width: set.ref('made.w'),
      height: set.ref('made.h'),
      mime_type: set.ref('made.mime'),
      image_key: set.ref('made.image'),
      thumbnail_key: set.ref('made.thumb'),
      processing_error: null,
      ...changed(),
    }))
    .whereRef('assets.id', '=', 'made.id')
    .where('assets.processed', '=', false)
    .returning('assets.id')
    .execute();
  const updated = new Set(rows.map((row) => row.id));
  const next = [...updated].map((assetId) => ({ assetId }));
  await queue.enqueue(tx, 'embed', next);
  return results.map((result) => updated.has(result.assetId));
}

async function finish(
  { db, blobs, changes, summary, telemetry }: WorkerContext,
  { assetId, userId, image, thumbnail }: Result,
  isUpdated: boolean,
): Promise<void> {
  if (isUpdated) {
    summary.count('processed');
    telemetry.files('process', 'done');
    changes.changed([userId]);
  } else if (!(await exists(db, assetId))) {
    // Deleted while it was processed: its derivatives would be orphans.
    await blobs.delete([image, thumbnail]);
  }
}

/**
 * Of the store or the machine: no attempt. Permanent: recorded and done. Anything else: tried again on the
 * schedule, until it is used up.
 */
async function decideFailure(
  context: WorkerContext,
  lane: StoreLane,
  job: Job,
  asset: PendingAsset,
  error: unknown,
): Promise<void> {
  const shortOf = machineFailure(error);
  if (shortOf !== undefined || error instanceof StoreFailedError) {
    const isSuspect = lane.isSuspect(asset.id);
    // What a store cannot give while it gives others pays. A machine may have room for smaller ones: then
    // this one waits by itself.
    if (!isSuspect || shortOf !== undefined) {
      // Only pauses of its own count: what waits with all others waits for as long as it takes.
      const waits = (job.data.machineWaits ?? 0) + (isSuspect ? 1 : 0);
      if (waits > MAX_MACHINE_WAITS) {
        lane.undecided();
        const detail = `Max retries exceeded: the machine had no room for this image (${shortOf}) for a day, while others went through`;
        await recordFailure(
          context,
          job,
          asset,
          { code: 'max_retries_exceeded', detail },
          undefined,
          error,
        );
        return;
      }
      const pausedSeconds = isSuspect
        ? MACHINE_PAUSE_SECONDS
        : lane.failed(shortOf ?? nameCause(error), error);
      if (isSuspect) lane.undecided();
      context.telemetry.failure('process', 'unavailable');
      await defer(context, lane, job, asset, pausedSeconds, waits);
      return;
    }
  }
  lane.undecided();
  const problem = describeProcessingError(error);
  if (error instanceof ImageError && !error.isTransient) {
    await recordFailure(context, job, asset, problem, undefined, error);
    return;
  }
  const failures = asset.processing_retry_count + 1;
  if (problem.code === 'decoder_crashed' && failures >= MAX_DECODER_CRASHES) {
    await recordFailure(context, job, asset, problem, undefined, error);
    return;
  }
  const delay = retryDelaySeconds(PROCESSING_DELAYS_SECONDS, failures, context.random);
  const recorded: FileProblem =
    delay === undefined
      ? { code: 'max_retries_exceeded', detail: `Max retries exceeded: ${problem.detail}` }
      : problem;
  if (delay !== undefined && error instanceof StoreFailedError) lane.deferred(asset.id, delay);
  await recordFailure(context, job, asset, recorded, delay, error);
}

/** The next attempt, in the same transaction. Nothing of it is shown on the asset: it waits. */
async function defer(
  { db, queue, logger, summary, telemetry, random }: WorkerContext,
  lane: StoreLane,
  job: Job,
  asset: PendingAsset,
  pausedSeconds: number,
  machineWaits = job.data.machineWaits ?? 0,
): Promise<void> {
  const delaySeconds = pausedSeconds * (1 + random() / 5);
  lane.deferred(asset.id, delaySeconds);
  await db.transaction().execute(async (tx) => {
    await job.complete(tx);
    const next = [{ assetId: asset.id, ...(machineWaits > 0 && { machineWaits }) }];
    await queue.enqueue(tx, 'process', next, { startAfterSeconds: delaySeconds });
  });
  const fields = { job: 'process', assetId: asset.id, retryInSeconds: Math.ceil(delaySeconds) };
  logger.debug(fields, '[Jobs] processing waits for the store');
  summary.count('retried');
  telemetry.files('process', 'retried');
}

/** With a delay, the next attempt is enqueued in the same transaction; without, it is final. */
async function recordFailure(
  { db, queue, changes, logger, summary, telemetry }: WorkerContext,
  job: Job,
  asset: PendingAsset,
  problem: FileProblem,
  delaySeconds: number | undefined,
  cause?: unknown,
): Promise<void> {
  const isFinal = delaySeconds === undefined;
  const updated = await changeAssets(db, [asset.user_id], async (tx) => {
    await job.complete(tx);
    const row = await tx
      .updateTable('assets')
      .set({
        processing_error: JSON.stringify(problem),
        failed: isFinal,
        ...(!isFinal && { processing_retry_count: asset.processing_retry_count + 1 }),
        ...changed(),
      })
      .where('id', '=', asset.id)
      .where('processed', '=', false)
      .returning('id')
      .executeTakeFirst();
    if (row && !isFinal) {
      const next = [{ assetId: asset.id }];
      await queue.enqueue(tx, 'process', next, { startAfterSeconds: delaySeconds });
    }
    return row;
  });
  if (!updated) return;
  const fields = { job: 'process', assetId: asset.id, code: problem.code };
  if (!isFinal) {
    const retryInSeconds = Math.round(delaySeconds * 10) / 10;
    const details = { ...fields, err: cause, retryInSeconds };
    logger.warn(details, `[Jobs] processing failed: ${problem.detail}`);
  } else if (cause instanceof ImageError) {
    // The picture's fault, not the server's: no operator needs its stack.
    logger.info(fields, `[Jobs] image refused: ${problem.detail}`);
  } else {
    logger.error({ ...fields, err: cause }, `[Jobs] processing failed for good: ${problem.detail}`);
  }
  summary.count(isFinal ? 'failed' : 'retried');
  telemetry.files('process', isFinal ? 'failed' : 'retried');
  telemetry.failure('process', problem.code);
  changes.changed([asset.user_id]);
}

function describeProcessingError(error: unknown): FileProblem {
  if (error instanceof ImageError) return { code: error.code, detail: error.message };
  if (error instanceof BlobNotFoundError) {
    return { code: 'missing_blob', detail: 'The object store does not have the uploaded bytes' };
  }
  const detail = `The server could not process the image (${nameCause(error)})`;
  return { code: 'processing_failed', detail };
}

function nameCause(error: unknown): string {
  return nameFailure(error instanceof StoreFailedError ? error.cause : error);
}

async function exists(db: WorkerContext['db'], id: string): Promise<boolean> {
  const row = await db.selectFrom('assets').select('id').where('id', '=', id).executeTakeFirst();
  return row !== undefined;
}
