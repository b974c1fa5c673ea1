import * as z from 'zod/mini';
import { fileProblemSchema } from './problem.ts';
import { assetIdSchema, checksumSchema } from './upload.ts';

/**
 * Where an asset stands: its image is being made (`processing`), its embedding (`embedding`),
 * it can be found by likeness (`searchable`), or it failed for good (`failed`).
 */
export const assetStageSchema = z.enum(['processing', 'embedding', 'searchable', 'failed']);
/** Where an asset stands. */
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
/**
 * The server's record of a file.
 *
 * @interface
 */
export type Asset = z.infer<typeof assetSchema>;

/** A page of the library. */
export const assetsResponseSchema = z.object({
  assets: z.array(assetSchema),
  /** Pass it as `cursor` for the next page; null on the last one. */
  nextCursor: z.nullable(z.string()),
});

/**
 * How `q` is understood. `words`: every word must begin a word of the name or path. `meaning`: what the
 * picture shows, where the server's embedder knows words. `auto`: words first, then meaning.
 */
export const searchModeSchema = z.enum(['words', 'meaning', 'auto']);
/** How words of a search are understood. */
export type SearchMode = z.infer<typeof searchModeSchema>;

/** Why an asset was found. */
export const searchMatchSchema = z.enum(['words', 'meaning', 'likeness']);
/** Why an asset was found. */
export type SearchMatch = z.infer<typeof searchMatchSchema>;

/** What was found, the best first. */
export const searchResponseSchema = z.object({
  /** Each with its asset, its score and why it was found. */
  results: z.array(
    z.object({
      asset: assetSchema,
      /** 1 for words; cosine likeness (−1 to 1) otherwise, comparable within one answer only. */
      score: z.number(),
      match: searchMatchSchema,
    }),
  ),
  /**
   * Whether meaning was searched: `unused` when it was not asked for or not needed, `unsupported` when the
   * server's embedder takes no text, `unavailable` when its provider did not answer in time.
   */
  meaning: z.enum(['used', 'unused', 'unsupported', 'unavailable']),
});
/**
 * What was found, the best first.
 *
 * @interface
 */
export type SearchResponse = z.infer<typeof searchResponseSchema>;

/** `POST /api/assets/:id/retry-processing`. */
export const retryResponseSchema = z.object({ success: z.literal(true), asset: assetSchema });
