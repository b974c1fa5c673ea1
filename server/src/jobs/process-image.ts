import type { FileProblem } from 'bulkhead/protocol';
import { BlobNotFoundError } from '../blobs/blob-store.ts';
import { imageKey, thumbnailKey } from '../blobs/keys.ts';
import { changeAssets, changed } from '../database/change-assets.ts';
import type { AssetRow } from '../database/schema.ts';
import { ImageError } from '../images/image-error.ts';
import { type RenderedImage, renderImage } from '../images/render-image.ts';
import { PROCESSING_DELAYS_SECONDS, retryDelaySeconds } from './backoff.ts';
import { nameFailure } from './name-failure.ts';
import type { Job } from './queue.ts';
import { readObject } from './read-object.ts';
import { MAX_DELIVERIES, type WorkerContext } from './worker-context.ts';

type PendingAsset = Pick<AssetRow, 'id' | 'user_id' | 'key' | 'size' | 'processing_retry_count'>;

/**
 * The handler of `process` jobs: original → main image and thumbnail → `processed`, and the next
 * stage's job, in one transaction. What is wrong with the image or the store is recorded on the
 * asset; what is wrong with the database is thrown, and the queue delivers the job again.
 */
export function createImageProcessor(context: WorkerContext): (job: Job) => Promise<void> {
  const { db, blobs, limits } = context;
  return async (job) => {
    const asset = await db
      .selectFrom('assets')
      .select(['id', 'user_id', 'key', 'size', 'processing_retry_count'])
      .where('id', '=', job.data.assetId)
      .where('processed', '=', false)
      .where('failed', '=', false)
      .executeTakeFirst();
    if (!asset) return;
    if (job.attempt > MAX_DELIVERIES) {
      const detail = `Max retries exceeded: its worker ended ${MAX_DELIVERIES} times`;
      await recordFailure(context, job, asset, { code: 'max_retries_exceeded', detail }, undefined);
      return;
    }
    let rendered: RenderedImage;
    let image: string;
    try {
      const bytes = await readObject(blobs, asset.key, job.signal, asset.size);
      rendered = await renderImage(bytes, limits, job.signal);
      job.signal.throwIfAborted();
      image = imageKey(asset.key, rendered.main.contentType);
      const { main, thumbnail } = rendered;
      await blobs.write(image, main.bytes, main.contentType);
      await blobs.write(thumbnailKey(asset.key), thumbnail.bytes, thumbnail.contentType);
    } catch (error) {
      job.signal.throwIfAborted();
      await decideFailure(context, job, asset, error);
      return;
    }
    await commitProcessed(context, job, asset, rendered, image);
  };
}

async function commitProcessed(
  { db, queue, blobs, changes, summary, telemetry }: WorkerContext,
  job: Job,
  asset: PendingAsset,
  rendered: RenderedImage,
  image: string,
): Promise<void> {
  job.signal.throwIfAborted();
  const thumbnail = thumbnailKey(asset.key);
  const updated = await changeAssets(db, [asset.user_id], async (tx) => {
    await job.complete(tx);
    const row = await tx
      .updateTable('assets')
      .set({
        processed: true,
        width: rendered.width,
        height: rendered.height,
        mime_type: rendered.mimeType,
        image_key: image,
        thumbnail_key: thumbnail,
        processing_error: null,
        ...changed(),
      })
      .where('id', '=', asset.id)
      .where('processed', '=', false)
      .returning('id')
      .executeTakeFirst();
    if (row) await queue.enqueue(tx, 'embed', [{ assetId: asset.id }]);
    return row;
  });
  if (updated) {
    summary.count('processed');
    telemetry.files('process', 'done');
    changes.changed([asset.user_id]);
  } else if (!(await exists(db, asset.id))) {
    // Deleted while it was processed: its derivatives would be orphans.
    await blobs.delete([image, thumbnail]);
  }
}

/** Permanent: recorded and done. Anything else: tried again on the schedule, until it is used up. */
async function decideFailure(
  context: WorkerContext,
  job: Job,
  asset: PendingAsset,
  error: unknown,
): Promise<void> {
  const problem = describeProcessingError(error);
  if (error instanceof ImageError && !error.isTransient) {
    await recordFailure(context, job, asset, problem, undefined, error);
    return;
  }
  const failures = asset.processing_retry_count + 1;
  const delay = retryDelaySeconds(PROCESSING_DELAYS_SECONDS, failures, context.random);
  const recorded: FileProblem =
    delay === undefined
      ? { code: 'max_retries_exceeded', detail: `Max retries exceeded: ${problem.detail}` }
      : problem;
  await recordFailure(context, job, asset, recorded, delay, error);
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
  const detail = `The server could not process the image (${nameFailure(error)})`;
  return { code: 'processing_failed', detail };
}

async function exists(db: WorkerContext['db'], id: string): Promise<boolean> {
  const row = await db.selectFrom('assets').select('id').where('id', '=', id).executeTakeFirst();
  return row !== undefined;
}
