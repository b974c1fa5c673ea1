import * as z from 'zod/mini';
import { MAX_PAGE_ASSETS } from './limits.ts';
import { fileProblemSchema } from './problem.ts';
import { assetIdSchema, checksumSchema } from './upload.ts';

/**
 * Where an asset stands: its image is being made (`processing`), its embedding (`embedding`),
 * it can be found by likeness (`searchable`), or it failed for good (`failed`).
 */
export const assetStageSchema = z.enum(['processing', 'embedding', 'searchable', 'failed']);
export type AssetStage = z.infer<typeof assetStageSchema>;

/** The server's record of a file. URLs are signed and short-lived; fetch the asset again for new ones. */
export const assetSchema = z.object({
  id: assetIdSchema,
  filename: z.string(),
  path: z.nullable(z.string()),
  /** By the file's first bytes, not by its name. */
  mimeType: z.string(),
  size: z.number(),
  checksum: checksumSchema,
  /** Pixels, after auto-orientation; null until processed. */
  width: z.nullable(z.number()),
  height: z.nullable(z.number()),
  stage: assetStageSchema,
  processed: z.boolean(),
  embedded: z.boolean(),
  /** The last failure of processing, while it is retried or when it is final. */
  processingError: z.nullable(fileProblemSchema),
  embeddingError: z.nullable(fileProblemSchema),
  /** The original. */
  blobUrl: z.string(),
  /** The bounded image (≤ 1,600 px), metadata removed; null until processed. */
  imageUrl: z.nullable(z.string()),
  /** The 256 px WebP thumbnail; null until processed. */
  thumbnailUrl: z.nullable(z.string()),
  /** ISO 8601. */
  createdAt: z.string(),
  /** Grows with every change of any of the user's assets: the newest wins. */
  version: z.number(),
});
export type Asset = z.infer<typeof assetSchema>;

const pageLimit = z._default(
  z.coerce.number().check(z.int(), z.minimum(1), z.maximum(MAX_PAGE_ASSETS)),
  100,
);

/** `GET /api/assets?cursor&limit&stage`: newest first. */
export const assetsQuerySchema = z.strictObject({
  cursor: z.optional(z.string()),
  limit: pageLimit,
  stage: z.optional(assetStageSchema),
});
export const assetsResponseSchema = z.object({
  assets: z.array(assetSchema),
  /** Pass it as `cursor` for the next page; null on the last one. */
  nextCursor: z.nullable(z.string()),
});

/** `GET /api/search?q=words` or `?like=<asset id>`. */
export const searchQuerySchema = z.strictObject({
  q: z.optional(z.string().check(z.minLength(1), z.maxLength(500))),
  like: z.optional(assetIdSchema),
  limit: pageLimit,
});
export const searchResponseSchema = z.object({
  /** Best first. `score` is cosine likeness (−1 to 1) for `like`, 1 for words. */
  results: z.array(z.object({ asset: assetSchema, score: z.number() })),
});

/** `POST /api/assets/:id/retry-processing`. */
export const retryResponseSchema = z.object({ success: z.literal(true), asset: assetSchema });
