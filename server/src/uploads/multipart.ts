import {
  CREDENTIAL_TTL_SECONDS,
  type MultipartBeginResponse,
  type SignedPart,
} from 'bulkhead/protocol';
import { sql } from 'kysely';
import type { BlobMultipart, BlobStore } from '../blobs/blob-store.ts';
import type { Clock } from '../clock.ts';
import type { Database, UploadRow } from '../database/schema.ts';
import { ProblemError } from '../problem-error.ts';
import type { Quotas } from '../rate-limit/quota.ts';
import { countParts, fittingParts, partBytesOf } from './complete-multipart.ts';
import { reserveUploads } from './reserve.ts';

/** Each time round, another call changed what stands; so many in a row do not happen by themselves. */
const MAX_TURNS = 8;

export interface MultipartUploadsParts {
  db: Database;
  blobs: BlobStore;
  quotas: Quotas;
  clock: Clock;
}

/** Uploads of reservations in parts. Finalize completes them. */
export interface MultipartUploads {
  /**
   * Opens the upload, or finds the one that is open; tabs that call at once get the same. Where the object is
   * there already, all parts are: nothing is left to send.
   * @throws {ProblemError} `not_found`; `invalid_request` for parts that the store does not take;
   *   `quota_exceeded` or `rate_limited` when the reservation's time was over and there is no room for it.
   */
  begin(userId: string, assetId: string, partBytes: number): Promise<MultipartBeginResponse>;
  /**
   * Permits PUTs of parts, in their order.
   * @throws {ProblemError} as `begin`; `not_found` also when nothing was begun; `already_exists` after finalize.
   */
  sign(
    userId: string,
    assetId: string,
    parts: readonly { partNumber: number; checksum: string }[],
  ): Promise<SignedPart[]>;
  /** @returns whether one was open. @throws {ProblemError} `not_found` */
  abort(userId: string, assetId: string): Promise<boolean>;
}

export function createMultipartUploads(parts: MultipartUploadsParts): MultipartUploads {
  const { db, blobs, clock } = parts;

  const find = async (userId: string, assetId: string): Promise<UploadRow> => {
    const row = await db
      .selectFrom('uploads')
      .selectAll()
      .where('user_id', '=', userId)
      .where('id', '=', assetId)
      .executeTakeFirst();
    if (!row) throw new ProblemError('not_found', 'There is no such upload');
    if (row.state === 'rejected') {
      throw new ProblemError(row.error?.code ?? 'not_found', row.error?.detail);
    }
    return row;
  };

  /** One whose time was over was refunded: it is charged anew, as a new credential would be. */
  const renew = async (row: UploadRow): Promise<void> => {
    const nowMs = clock();
    const expiresAt = new Date(nowMs + CREDENTIAL_TTL_SECONDS * 1000);
    const { numUpdatedRows } = await db
      .updateTable('uploads')
      .set({ expires_at: sql`greatest(expires_at, ${expiresAt}::timestamptz)` })
      .where('id', '=', row.id)
      .where('state', '=', 'pending')
      .where('expires_at', '>', new Date(nowMs))
      .executeTakeFirst();
    if (numUpdatedRows > 0n) return;
    const promised = {
      clientId: row.client_id,
      filename: row.filename,
      ...(row.path !== null && { path: row.path }),
      mimeType: row.mime_type,
      contentType: row.mime_type,
      size: row.size,
      checksum: row.checksum,
    };
    const { uploads, refused } = await reserveUploads(parts, row.user_id, [promised]);
    const problem = refused.get(row.client_id);
    if (problem) throw new ProblemError(problem.code, problem.detail);
    // Swept in between: another reservation stands for the file now.
    if (uploads.get(row.client_id)?.id !== row.id) throw new ProblemError('not_found');
  };

  /** @returns false when another call was first. */
  const open = async (multipart: BlobMultipart, row: UploadRow, partBytes: number) => {
    const uploadId = await multipart.begin(row.key, row.mime_type);
    const { numUpdatedRows } = await db
      .updateTable('uploads')
      .set({ multipart_id: uploadId, multipart_part_bytes: partBytes })
      .where('id', '=', row.id)
      .where('state', '=', 'pending')
      .where(sql<boolean>`multipart_id is not distinct from ${row.multipart_id}`)
      .executeTakeFirst();
    if (numUpdatedRows > 0n) return true;
    await multipart.abort(row.key, uploadId);
    return false;
  };

  return {
    async begin(userId, assetId, partBytes) {
      for (let turn = 0; turn < MAX_TURNS; turn++) {
        const row = await find(userId, assetId);
        const multipart = multipartOf(blobs, row);
        refuseUnfit(multipart, row, partBytes);
        const file = { size: row.size, partBytes: row.multipart_part_bytes ?? partBytes };
        if (row.state === 'finalized') return allOf(file);
        await renew(row);
        const { multipart_id: uploadId } = row;
        const stored = uploadId === null ? undefined : await multipart.list(row.key, uploadId);
        if (stored) return answerOf(file.partBytes, fittingParts(file, stored));
        if ((await blobs.head(row.key))?.sizeBytes === row.size) return allOf(file);
        // The first, or one that the store gave up by itself.
        if (await open(multipart, row, partBytes)) return answerOf(partBytes, []);
      }
      throw new ProblemError('unavailable', 'The upload is being changed by others', {
        retryAfterSeconds: 1,
      });
    },

    async sign(userId, assetId, wanted) {
      const row = await find(userId, assetId);
      if (row.state === 'finalized') throw new ProblemError('already_exists');
      const multipart = multipartOf(blobs, row);
      const { multipart_id: uploadId, multipart_part_bytes: partBytes } = row;
      if (uploadId === null || partBytes === null) {
        throw new ProblemError('not_found', 'No upload in parts is open: begin it');
      }
      const file = { size: row.size, partBytes };
      const beyond = wanted.find(({ partNumber }) => partNumber > countParts(file));
      if (beyond) {
        const detail = `There is no part ${beyond.partNumber}: the file has ${countParts(file)}`;
        throw new ProblemError('invalid_request', detail);
      }
      await renew(row);
      return Promise.all(
        wanted.map(async ({ partNumber, checksum }) => {
          const { url, method, headers } = await multipart.signPart({
            ...{ key: row.key, uploadId, partNumber, checksum },
            sizeBytes: partBytesOf(file, partNumber),
            expiresInSeconds: CREDENTIAL_TTL_SECONDS,
          });
          const expiresInMs = CREDENTIAL_TTL_SECONDS * 1000;
          return { partNumber, uploadUrl: url, method, headers, expiresInMs };
        }),
      );
    },

    async abort(userId, assetId) {
      const row = await find(userId, assetId);
      const { multipart_id: uploadId } = row;
      if (!blobs.multipart || uploadId === null || row.state !== 'pending') return false;
      // In this order: an upload without a row would be known to nobody but the sweep.
      const wasOpen = await blobs.multipart.abort(row.key, uploadId);
      await db
        .updateTable('uploads')
        .set({ multipart_id: null, multipart_part_bytes: null })
        .where('id', '=', row.id)
        .where('state', '=', 'pending')
        .where('multipart_id', '=', uploadId)
        .execute();
      return wasOpen;
    },
  };
}

/** What was begun goes on, even where the setting says now that no more of its size are. */
function multipartOf(blobs: BlobStore, row: UploadRow): BlobMultipart {
  const { multipart } = blobs;
  if (multipart && (row.multipart_id !== null || row.size >= multipart.fromBytes)) return multipart;
  throw new ProblemError('invalid_request', 'This file goes in one PUT: its credential says so');
}

function refuseUnfit({ limits }: BlobMultipart, { size }: UploadRow, partBytes: number): void {
  const { minPartBytes, maxPartBytes, maxParts } = limits;
  const isFit =
    partBytes >= minPartBytes &&
    partBytes <= maxPartBytes &&
    countParts({ size, partBytes }) <= maxParts;
  if (isFit) return;
  throw new ProblemError(
    'invalid_request',
    `partSize: expected ${minPartBytes} to ${maxPartBytes} bytes, and at most ${maxParts} parts`,
  );
}

function allOf(file: { size: number; partBytes: number }): MultipartBeginResponse {
  const numbers = Array.from({ length: countParts(file) }, (_, at) => at + 1);
  return answerOf(
    file.partBytes,
    numbers.map((partNumber) => ({ partNumber, sizeBytes: partBytesOf(file, partNumber) })),
  );
}

function answerOf(
  partSize: number,
  stored: readonly { partNumber: number; sizeBytes: number }[],
): MultipartBeginResponse {
  const parts = stored.map(({ partNumber, sizeBytes }) => ({ partNumber, size: sizeBytes }));
  return { partSize, parts };
}
