import * as z from 'zod';
import type { Clock } from '../clock.ts';
import { MAX_PART_BYTES, MIN_PART_BYTES } from './s3-multipart.ts';

const MIB = 1024 * 1024;

const multipartSchema = z
  .strictObject({
    /** Smallest file that may go in parts, in bytes. Default 32 MiB: below, one PUT is quicker. */
    fromBytes: z
      .int()
      .min(1)
      .default(32 * MIB),
    /** Smallest part but the last, in bytes. Default 8 MiB; S3 takes none below 5 MiB. */
    minPartBytes: z
      .int()
      .min(MIN_PART_BYTES)
      .max(MAX_PART_BYTES)
      .default(8 * MIB),
  })
  .refine(({ fromBytes, minPartBytes }) => fromBytes >= minPartBytes, {
    error: 'expected fromBytes to be at least minPartBytes',
    path: ['fromBytes'],
  });

const address = z.url({ protocol: /^https?$/, error: 'expected an http(s) URL' });

export const s3OptionsSchema = z.strictObject({
  /** Made already; the store makes none. */
  bucket: z.string().min(1),
  /** Default: what the AWS SDK finds (`AWS_REGION`). R2 wants `auto`, most others `us-east-1`. */
  region: z.string().min(1).optional(),
  /** Default: AWS's own for the region. */
  endpoint: address.optional(),
  /** Where browsers reach the same server, when that is not `endpoint`. Only URLs for them are made with it. */
  publicEndpoint: address.optional(),
  /** Default: what the AWS SDK finds (environment, profile, role). */
  credentials: z
    .strictObject({
      accessKeyId: z.string().min(1),
      secretAccessKey: z.string().min(1),
      sessionToken: z.string().min(1).optional(),
    })
    .optional(),
  /** `https://host/bucket/key` instead of `https://bucket.host/key`. Default: with `endpoint`, yes. */
  pathStyle: z.boolean().optional(),
  /**
   * Signs `If-None-Match: *`, so that a taken key refuses a PUT. Default true. Where the server does not know
   * it (OpenStack Swift answers 501): false, and a second PUT of a key succeeds, but only with the very same
   * bytes, because their checksum is signed.
   */
  createOnly: z.boolean().default(true),
  /**
   * For servers that check `x-amz-checksum-sha256` but do not keep it (Swift 2.35, not 2.30): the checksum is
   * also signed as metadata, and believed, since the server refuses any other bytes. Never for one that ignores
   * the header: it would store what nobody checked. Default false: finalize reads and hashes such an object.
   */
  verifiesChecksums: z.boolean().default(false),
  /**
   * Files of up to so many bytes go by a signed form (a POST policy) in place of a presigned PUT: one request
   * in place of two, as browsers ask the store before each PUT, and never about a form. The bucket's CORS rule
   * must allow POST. Such a permit stores the promised bytes and no others, but may be used again while it is
   * good. Default 0: none. For AWS, MinIO and Ceph; R2 and OpenStack Swift take no forms. At most 1 MiB, of
   * which a page shows no progress. Needs the package `@aws-sdk/s3-presigned-post`.
   */
  formsUpToBytes: z.int().min(0).max(MIB).default(0),
  /** Large files in parts, which resume where they stopped. `false`: each file is one PUT. */
  multipart: z.union([z.literal(false), multipartSchema]).prefault({}),
  /** Tries of each call of this server, the first included. Default 4. */
  maxAttempts: z.int().positive().default(4),
  /** Milliseconds since the epoch; dates URLs and policies. Default `Date.now`. */
  clock: z
    .custom<Clock>((value) => typeof value === 'function', 'expected a function () => milliseconds')
    .optional(),
});

/**
 * What `createS3Store` takes.
 *
 * @interface
 */
export type S3StoreOptions = z.input<typeof s3OptionsSchema>;
