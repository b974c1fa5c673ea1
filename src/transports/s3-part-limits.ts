import * as z from 'zod/mini';
import type { MultipartLimits } from '../protocol/index.ts';
import { positiveInt } from './option-shapes.ts';

const MIB = 1024 * 1024;
/** Amazon S3's, and so nearly everybody's: 5 MiB to 5 GiB, 10,000 parts. */
export const S3_PART_LIMITS: MultipartLimits = {
  minPartBytes: 5 * MIB,
  maxPartBytes: 5 * 1024 * MIB,
  maxParts: 10_000,
};
/** What an option says of another store. */
export const partLimitsSchema = z
  .strictObject({ minPartBytes: positiveInt, maxPartBytes: positiveInt, maxParts: positiveInt })
  .check(
    z.refine(
      ({ minPartBytes, maxPartBytes }) => minPartBytes <= maxPartBytes,
      'minPartBytes exceeds maxPartBytes',
    ),
  );
/** Smaller files go in one PUT: two more requests would cost more than they save. */
export const MULTIPART_FROM_BYTES = 16 * MIB;
