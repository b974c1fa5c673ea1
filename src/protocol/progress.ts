import * as z from 'zod/mini';
import { assetStageSchema } from './library.ts';
import { MAX_BATCH_FILES } from './limits.ts';
import { fileProblemSchema } from './problem.ts';
import { assetIdSchema } from './upload.ts';

/**
 * One user's counts. They are cumulative: an asset that is searchable counts in `uploaded`,
 * `processed` and `embedded`. `failed` are those that failed for good in either stage.
 */
export const statsSchema = z.object({
  total: z.number(),
  uploaded: z.number(),
  processed: z.number(),
  embedded: z.number(),
  failed: z.number(),
});
/**
 * One user's counts.
 *
 * @interface
 */
export type Stats = z.infer<typeof statsSchema>;

/** `GET /api/processing-stats`. `timestamp` is ISO 8601. */
export const statsResponseSchema = z.object({ stats: statsSchema, timestamp: z.string() });
/**
 * What `GET /api/processing-stats` answers.
 *
 * @interface
 */
export type StatsResponse = z.infer<typeof statsResponseSchema>;

/** How one asset changed. Apply it only when its version is newer than the one you hold. */
export const assetChangeSchema = z.object({
  id: z.string(),
  version: z.number(),
  stage: assetStageSchema,
  thumbnailUrl: z.nullable(z.string()),
  error: z.nullable(fileProblemSchema),
});
/**
 * How one asset changed.
 *
 * @interface
 */
export type AssetChange = z.infer<typeof assetChangeSchema>;

/**
 * What `GET /api/sse/processing-updates` sends as `data:` lines. `assets` events carry
 * `id: <version>`; a reconnect with `Last-Event-ID` receives every change since.
 */
export const processingEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('progress'), stats: statsSchema, timestamp: z.string() }),
  z.object({ type: z.literal('assets'), changes: z.array(assetChangeSchema) }),
]);
/** What `GET /api/sse/processing-updates` sends as `data:` lines. */
export type ProcessingEvent = z.infer<typeof processingEventSchema>;

/** `POST /api/assets/changes`: where these assets stand now, for what a stream may have missed. */
export const assetChangesRequestSchema = z.strictObject({
  ids: z.array(assetIdSchema).check(z.minLength(1), z.maxLength(MAX_BATCH_FILES)),
});
/** Ids that are unknown, or another user's, are left out. */
export const assetChangesResponseSchema = z.object({ changes: z.array(assetChangeSchema) });
