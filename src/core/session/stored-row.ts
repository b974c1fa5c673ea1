import * as z from 'zod/mini';
import { classifyCode, type UploadErrorCode } from '../../errors/upload-error.ts';
import type { FailedAttempt } from '../attempt-log.ts';
import type { Times } from '../timeline.ts';
import { NO_ATTEMPTS, type Upload, type UploadInfo, type UploadStatus } from '../upload-state.ts';

/** Another shape gets another number; rows of a number that is not known stay as they are. */
const VERSION = 1;

/**
 * Where an upload stands, as far as another page can go on from there. `sending`: nobody knows how many
 * bytes arrived. `sent`: the store has them all.
 */
export const STANDS = [
  'queued',
  'hashed',
  'sending',
  'sent',
  'processing',
  'embedding',
  'searchable',
  'duplicate',
  'processing-failed',
  'rejected',
  'dead',
] as const;
export type Stand = (typeof STANDS)[number];

/** An upload of an earlier page. */
export interface StoredUpload {
  readonly upload: Upload;
  readonly times: Times;
  /** The failed tries of one that was given up. */
  readonly attempts: readonly FailedAttempt[];
}

const failureSchema = z.object({
  code: z.custom<UploadErrorCode>(isKnownCode),
  kind: z.enum(['rate_limit', 'network', 'server', 'invalid', 'unknown']),
  message: z.string(),
  status: z.optional(z.number()),
});

const attemptSchema = z.object({
  stage: z.enum(['hash', 'credentials', 'put', 'finalize']),
  atMs: z.number(),
  failure: failureSchema,
});

const text = z.string();
const time = z.nullable(z.number());

/** Arrays: IndexedDB stores them in three quarters of the time that objects take. */
const rowSchema = z.tuple([
  z.literal(VERSION),
  z.enum(STANDS),
  text.check(z.minLength(1)),
  text.check(z.minLength(1)),
  /** The name, where it is not the last segment of the path. */
  z.nullable(text),
  z.int().check(z.nonnegative()),
  text,
  z.number(),
  text,
  z.enum(['urgent', 'normal', 'background']),
  /** The checksum, and the asset with the version that was last seen of it. */
  z.nullable(text.check(z.regex(/^[0-9a-f]{64}$/))),
  z.nullable(text.check(z.minLength(1))),
  z.number(),
  z.tuple([z.number(), time, time, time, time, time]),
  z.nullable(failureSchema),
  z.array(attemptSchema),
]);

/** Whether another version of this software wrote the row, and can read it. */
export function isForeignRow(stored: unknown): boolean {
  const version: unknown = Array.isArray(stored) ? stored[0] : undefined;
  return Number.isInteger(version) && version !== VERSION;
}

function isKnownCode(code: unknown): boolean {
  try {
    return classifyCode(code as UploadErrorCode).kind !== undefined;
  } catch {
    return false;
  }
}

/** Where another page would find it; undefined for what is not worth keeping. */
export function standOf(upload: Upload): Stand | undefined {
  switch (upload.status) {
    case 'cancelled':
      return undefined;
    case 'queued':
    case 'hashing':
      return 'queued';
    case 'detached':
      return upload.checksum === undefined ? 'queued' : 'hashed';
    case 'hashed':
    case 'requesting':
    case 'ready':
      return 'hashed';
    case 'uploading':
    case 'put-unknown':
      return 'sending';
    case 'uploaded':
      return 'sent';
    case 'finalizing':
      return upload.isPutUnknown ? 'sending' : 'sent';
    default:
      return upload.status;
  }
}

const lastSegment = (path: string) => path.slice(path.lastIndexOf('/') + 1);

/** @returns undefined for what is not worth keeping */
export function toStoredRow({ upload, times, attempts }: StoredUpload): unknown {
  const stand = standOf(upload);
  if (stand === undefined) return undefined;
  const { id, path, name, sizeBytes, mimeType, lastModifiedMs, batchId, priority } = upload;
  const { addedMs, hashedMs, sentMs, finalizedMs, searchableMs, failedMs } = times;
  const row: z.input<typeof rowSchema> = [
    VERSION,
    stand,
    id,
    path,
    name === lastSegment(path) ? null : name,
    sizeBytes,
    mimeType,
    lastModifiedMs,
    batchId,
    priority,
    'checksum' in upload ? (upload.checksum ?? null) : null,
    'assetId' in upload ? upload.assetId : null,
    'version' in upload ? upload.version : 0,
    [
      addedMs,
      hashedMs ?? null,
      sentMs ?? null,
      finalizedMs ?? null,
      searchableMs ?? null,
      failedMs ?? null,
    ],
    'failure' in upload ? upload.failure : null,
    'failure' in upload ? [...attempts] : [],
  ];
  return row;
}

/**
 * The upload as a page finds it that has no files yet: what has to be read is `detached`, what was being
 * sent is `put-unknown`. Attempts are counted anew.
 *
 * @returns undefined for a row that is damaged, or of another version
 */
export function fromStoredRow(stored: unknown): StoredUpload | undefined {
  const parsed = rowSchema.safeParse(stored);
  if (!parsed.success) return undefined;
  const [, stand, id, path, name, sizeBytes, mimeType, lastModifiedMs, batchId, priority] =
    parsed.data;
  const [, , , , , , , , , , checksum, assetId, version, times, failure, attempts] = parsed.data;
  const variant = variantOf(stand, { checksum, assetId, version, failure });
  if (variant === undefined) return undefined;
  const info: UploadInfo = {
    ...{ id, path, name: name ?? lastSegment(path), sizeBytes, mimeType, lastModifiedMs, batchId },
  };
  return {
    upload: { ...info, priority, attempts: NO_ATTEMPTS, ...variant } as Upload,
    times: timesOf(times),
    attempts: attempts as FailedAttempt[],
  };
}

interface Known {
  readonly checksum: string | null;
  readonly assetId: string | null;
  readonly version: number;
  readonly failure: z.output<typeof failureSchema> | null;
}

type Variant = { readonly status: UploadStatus } & Readonly<Record<string, unknown>>;

/** @returns undefined when the row lacks what its stand needs */
function variantOf(stand: Stand, known: Known): Variant | undefined {
  const { checksum, assetId, version, failure } = known;
  switch (stand) {
    case 'queued':
      return { status: 'detached', needs: 'file' };
    case 'hashed':
      return checksum === null ? undefined : { status: 'detached', needs: 'file', checksum };
    case 'rejected':
    case 'dead':
      return failure === null ? undefined : { status: stand, failure };
  }
  if (checksum === null || assetId === null) return undefined;
  const stored = { checksum, assetId };
  switch (stand) {
    case 'sending':
      return { status: 'put-unknown', ...stored };
    case 'sent':
      return { status: 'uploaded', ...stored };
    case 'duplicate':
      return { status: 'duplicate', ...stored };
    case 'processing-failed':
      return failure === null ? undefined : { status: stand, ...stored, version, failure };
    default:
      return { status: stand, ...stored, version };
  }
}

function timesOf(times: z.output<typeof rowSchema>[13]): Times {
  const [addedMs, hashedMs, sentMs, finalizedMs, searchableMs, failedMs] = times;
  return {
    addedMs,
    ...(hashedMs === null ? {} : { hashedMs }),
    ...(sentMs === null ? {} : { sentMs }),
    ...(finalizedMs === null ? {} : { finalizedMs }),
    ...(searchableMs === null ? {} : { searchableMs }),
    ...(failedMs === null ? {} : { failedMs }),
  };
}
