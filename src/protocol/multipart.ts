import * as z from 'zod/mini';
import { assetIdSchema, checksumSchema } from './upload.ts';

/** Most parts that are signed by one call. */
export const MAX_SIGNED_PARTS = 100;

const partNumberSchema = z.int().check(z.minimum(1), z.maximum(10_000));

/**
 * `POST /api/multipart/begin`: opens the upload in parts of one asset, or finds the one that is open. The
 * size of parts is settled by the first call; later ones are told what it was.
 */
export const multipartBeginRequestSchema = z.strictObject({
  assetId: assetIdSchema,
  /** Bytes of every part but the last. Within the credential's `multipart` bounds. */
  partSize: z.int().check(z.minimum(1)),
});

/** An upload in parts that is open. Parts are numbered from 1 to 10,000. */
export const multipartBeginResponseSchema = z.object({
  /** Bytes of every part but the last. */
  partSize: z.int().check(z.minimum(1)),
  /** What the store has of it, in order: these need not be sent again. */
  parts: z.array(z.object({ partNumber: partNumberSchema, size: z.int() })),
});
/**
 * An upload in parts that is open.
 *
 * @interface
 */
export type MultipartBeginResponse = z.infer<typeof multipartBeginResponseSchema>;

/** `POST /api/multipart/parts`: permits the PUTs of these parts. */
export const multipartPartsRequestSchema = z.strictObject({
  assetId: assetIdSchema,
  parts: z
    .array(
      z.strictObject({
        partNumber: partNumberSchema,
        /** SHA-256 of the part, which the store verifies. */
        checksum: checksumSchema,
      }),
    )
    .check(z.minLength(1), z.maxLength(MAX_SIGNED_PARTS)),
});

/** What permits the PUT of one part. */
export const signedPartSchema = z.object({
  partNumber: partNumberSchema,
  uploadUrl: z.string(),
  method: z.literal('PUT'),
  /** Headers the PUT must carry, exactly. */
  headers: z.record(z.string(), z.string()),
  /** Milliseconds from the answer until expiry. */
  expiresInMs: z.number(),
});
/**
 * What permits the PUT of one part.
 *
 * @interface
 */
export type SignedPart = z.infer<typeof signedPartSchema>;

/** One permit per part, in the order of the request. */
export const multipartPartsResponseSchema = z.object({ parts: z.array(signedPartSchema) });

/**
 * `POST /api/multipart/abort`: the store forgets the parts. An upload that is not open is no error.
 * Finalize, not a call of its own, completes an upload whose parts are all there.
 */
export const multipartAbortRequestSchema = z.strictObject({ assetId: assetIdSchema });
/** Whether there was an upload in parts to give up. */
export const multipartAbortResponseSchema = z.object({ aborted: z.boolean() });
