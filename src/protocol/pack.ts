import * as z from 'zod/mini';
import { MAX_BATCH_FILES } from './limits.ts';
import { assetIdSchema, checksumSchema } from './upload.ts';

/** The form field that comes first and says what follows. */
export const PACK_MANIFEST_FIELD = 'manifest';

/** Most bytes of a pack's manifest. */
export const MAX_PACK_MANIFEST_BYTES = 128 * 1024;

/**
 * `POST /api/upload-pack`, `multipart/form-data`: many small files in one body. The manifest is the first
 * field; then one file part per entry, in the same order, its field named by the asset's id. Each file needs
 * a reservation, as a credential makes it.
 *
 * The answer is that of a batch of `POST /api/upload-complete`: every file is verified, stored and finalized
 * by itself. A file that did not arrive whole is `not_uploaded`. Sent again, a pack gets the same answer.
 */
export const packManifestSchema = z.strictObject({
  /** Each with its asset's id, its size and its checksum. */
  files: z
    .array(
      z.strictObject({
        assetId: assetIdSchema,
        /** Bytes. */
        size: z.int().check(z.minimum(1)),
        checksum: checksumSchema,
      }),
    )
    .check(z.minLength(1), z.maxLength(MAX_BATCH_FILES)),
});
/**
 * What a pack says of its files, before they follow.
 *
 * @interface
 */
export type PackManifest = z.infer<typeof packManifestSchema>;
