import * as z from 'zod/mini';
import { MAX_BATCH_FILES } from './limits.ts';
import { fileProblemSchema } from './problem.ts';

/** SHA-256 of the whole file: 64 lower-case hex digits. */
export const checksumSchema = z
  .string()
  .check(z.regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hex digits'));

/** An asset's id, made by the server: a UUID. */
export const assetIdSchema = z.uuid();

/** Names a file in every retry: the same id gives the same asset. Unique within the user. */
export const clientIdSchema = z.string().check(z.minLength(1), z.maxLength(128));

/** What the client promises about a file before it may send it. */
export const uploadRequestSchema = z.strictObject({
  clientId: clientIdSchema,
  filename: z.string().check(z.minLength(1)),
  /** Path relative to the folder that was added, `/` between its segments. */
  path: z.optional(z.string()),
  mimeType: z.string().check(z.maxLength(255)),
  /** Bytes. */
  size: z.int().check(z.minimum(0)),
  checksum: checksumSchema,
});
/**
 * What the client promises about a file before it may send it.
 *
 * @interface
 */
export type UploadRequest = z.infer<typeof uploadRequestSchema>;

/** How the store takes a large file in parts, where it does. All in bytes but `maxParts`. */
export const multipartLimitsSchema = z.object({
  minPartBytes: z.int().check(z.minimum(1)),
  maxPartBytes: z.int().check(z.minimum(1)),
  maxParts: z.int().check(z.minimum(1)),
});
/**
 * How the store takes a large file in parts. All in bytes but `maxParts`.
 *
 * @interface
 */
export type MultipartLimits = z.infer<typeof multipartLimitsSchema>;

/** What permits one upload to the object store: a PUT of the file, or a POST of a form that it ends. */
export const credentialSchema = z.object({
  uploadUrl: z.string(),
  assetId: assetIdSchema,
  /** The object's key in the store. */
  pathname: z.string(),
  method: z.enum(['PUT', 'POST']),
  /** Headers the request must carry, exactly. */
  headers: z.record(z.string(), z.string()),
  /** Of a POST: fields of the form, in this order, before the field `file` with the bytes. */
  fields: z.optional(z.record(z.string(), z.string())),
  /** ISO 8601, by the server's clock. */
  expiresAt: z.string(),
  /** Milliseconds from the answer until expiry: counts without trusting the client's clock. */
  expiresInMs: z.number(),
  /** The file may go in parts instead, by `POST /api/multipart/begin`. */
  multipart: z.optional(multipartLimitsSchema),
});
/**
 * What permits one upload to the object store.
 *
 * @interface
 */
export type Credential = z.infer<typeof credentialSchema>;

/** `POST /api/upload-urls`: credentials for up to 500 files. */
export const uploadUrlsRequestSchema = z.strictObject({
  files: z.array(uploadRequestSchema).check(z.minLength(1), z.maxLength(MAX_BATCH_FILES)),
});

/** What finalize answers for one upload. */
export const finalizedAssetSchema = z.object({
  id: assetIdSchema,
  blobUrl: z.string(),
  /** True when the user already had these bytes: `id` is the asset they had. */
  isDuplicate: z.boolean(),
  needsProcessing: z.boolean(),
});
/**
 * What finalize answers for one upload.
 *
 * @interface
 */
export type FinalizedAsset = z.infer<typeof finalizedAssetSchema>;

/** What a server takes in one pack; `POST /api/upload-urls` says it. Without it, the server takes none. */
export const packLimitsSchema = z.object({
  /** Files in one pack. */
  maxFiles: z.int().check(z.minimum(1)),
  /** Bytes of all files in one pack. */
  maxBytes: z.int().check(z.minimum(1)),
  /** Bytes of one file in a pack: larger ones go by a PUT of their own. */
  maxFileBytes: z.int().check(z.minimum(1)),
});
/**
 * What a server takes in one pack.
 *
 * @interface
 */
export type PackLimits = z.infer<typeof packLimitsSchema>;

/** What becomes of one file of `POST /api/upload-urls`. */
export const uploadUrlResultSchema = z.discriminatedUnion('status', [
  z.object({ clientId: z.string(), status: z.literal('granted'), credential: credentialSchema }),
  /** The user already has these bytes: nothing to send, nothing to finalize. */
  z.object({ clientId: z.string(), status: z.literal('duplicate'), asset: finalizedAssetSchema }),
  z.object({ clientId: z.string(), status: z.literal('rejected'), error: fileProblemSchema }),
]);
/** What becomes of one file of `POST /api/upload-urls`. */
export type UploadUrlResult = z.infer<typeof uploadUrlResultSchema>;

/** One result per file, in the order of the request. */
export const uploadUrlsResponseSchema = z.object({
  results: z.array(uploadUrlResultSchema),
  /** What the server takes in one `POST /api/upload-pack`; absent where it takes none. */
  pack: z.optional(packLimitsSchema),
});

const finalizeItemSchema = z.strictObject({
  assetId: assetIdSchema,
  /** When given, it must be the checksum that was promised. */
  checksum: z.optional(checksumSchema),
});
/**
 * An upload to finalize.
 *
 * @interface
 */
export type FinalizeItem = z.infer<typeof finalizeItemSchema>;

/** `POST /api/upload-complete`: one upload, or up to 500. */
export const uploadCompleteRequestSchema = z.union([
  finalizeItemSchema,
  z.strictObject({
    uploads: z.array(finalizeItemSchema).check(z.minLength(1), z.maxLength(MAX_BATCH_FILES)),
  }),
]);

/** Answer to a single upload. */
export const uploadCompleteResponseSchema = z.object({
  success: z.literal(true),
  asset: finalizedAssetSchema,
});

/** What became of one upload of a batch. */
export const finalizeResultSchema = z.discriminatedUnion('success', [
  z.object({ assetId: z.string(), success: z.literal(true), asset: finalizedAssetSchema }),
  z.object({ assetId: z.string(), success: z.literal(false), error: fileProblemSchema }),
]);
/** What became of one upload of a batch. */
export type FinalizeResult = z.infer<typeof finalizeResultSchema>;

/** Answer to a batch: one result per upload, in the order of the request. */
export const uploadCompleteBatchResponseSchema = z.object({
  results: z.array(finalizeResultSchema),
});

const reconcileFileSchema = z.strictObject({
  /** As it was when the credential was asked for. */
  clientId: clientIdSchema,
  checksum: checksumSchema,
});
/**
 * A file whose page went away.
 *
 * @interface
 */
export type ReconcileFile = z.infer<typeof reconcileFileSchema>;

/** `POST /api/uploads/reconcile`: what became of uploads whose page went away. It writes nothing. */
export const reconcileRequestSchema = z.strictObject({
  files: z.array(reconcileFileSchema).check(z.minLength(1), z.maxLength(MAX_BATCH_FILES)),
});

/** Never better than what credentials or finalize would say of the same file. */
export const reconcileResultSchema = z.discriminatedUnion('status', [
  /** The user has these bytes: nothing to send, nothing to finalize. */
  z.object({ clientId: z.string(), status: z.literal('finalized'), asset: finalizedAssetSchema }),
  /** The store has all bytes of this very upload: finalize takes them. */
  z.object({ clientId: z.string(), status: z.literal('uploaded'), assetId: assetIdSchema }),
  /** Never reserved, refused, given up, or not sent: the way of a new file leads on. */
  z.object({ clientId: z.string(), status: z.literal('unknown') }),
]);
/** What became of one upload whose page went away. */
export type ReconcileResult = z.infer<typeof reconcileResultSchema>;

/** One result per file, in the order of the request. */
export const reconcileResponseSchema = z.object({ results: z.array(reconcileResultSchema) });
