/** What comes in query strings. Apart, because only servers read it: pages need not carry it. */
import * as z from 'zod/mini';
import { assetStageSchema, searchModeSchema } from './library.ts';
import { MAX_PAGE_ASSETS } from './limits.ts';
import {
  assetIdSchema,
  checksumSchema,
  clientIdSchema,
  type uploadRequestSchema,
} from './upload.ts';

/** `GET /api/upload-url?…`: the same as one {@link uploadRequestSchema}, in a query string. */
export const uploadUrlQuerySchema = z.strictObject({
  clientId: z.optional(clientIdSchema),
  filename: z.string().check(z.minLength(1)),
  mimeType: z.string().check(z.maxLength(255)),
  size: z.coerce.number().check(z.int(), z.minimum(0)),
  checksum: checksumSchema,
});

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

/** `GET /api/search?q=words&mode&limit` or `?like=<asset id>&limit`. */
export const searchQuerySchema = z.strictObject({
  q: z.optional(z.string().check(z.minLength(1), z.maxLength(500))),
  like: z.optional(assetIdSchema),
  /** Of `q`. */
  mode: z._default(searchModeSchema, 'auto'),
  limit: pageLimit,
});
/**
 * What is searched for: words, or what an asset looks like.
 *
 * @interface
 */
export type SearchQuery = z.infer<typeof searchQuerySchema>;
