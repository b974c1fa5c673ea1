import {
  CREDENTIAL_TTL_SECONDS,
  type MultipartBeginResponse,
  type SignedPart,
} from 'bulkhead/protocol';
import type { BlobMultipart, BlobPart, BlobStore } from '../blobs/blob-store.ts';
import type { Clock } from '../clock.ts';
import type { Database, UploadRow } from '../database/schema.ts';
import { ProblemError } from '../problem-error.ts';

const TTL_MS = CREDENTIAL_TTL_SECONDS * 1000;
/** Others may end what one began just now; not three times in a row. */
const MAX_TRIES = 3;

export interface MultipartParts {
  db: Database;
  blobs: BlobStore;
  clock: Clock;
}

/** Lets large files go to the store in parts. Finalize completes them. */
export interface MultipartUploads {
  /**
   * Opens it, or finds what is open, and renews the reservation.
   * @throws {ProblemError} `not_found`; `url_expired` when the reservation must be renewed first;
   *   `already_exists` when the asset is there; `invalid_request` for a size of parts out of bounds.
   */
  begin(userId: string, assetId: string, partSize: number): Promise<MultipartBeginResponse>;
  /** Permits PUTs, in their order, and renews the reservation. @throws as `begin` */
  sign(
    userId: string,
    assetId: string,
    parts: readonly { partNumber: number; checksum: string }[],
  ): Promise<SignedPart[]>;
  /** @returns whether there was one. */
  abort(userId: string, assetId: string): Promise<boolean>;
}

export function createMultipartUploads({ db, blobs, clock }: MultipartParts): MultipartUploads {
  const support = (): BlobMultipart => {
    if (blobs.multipart) return blobs.multipart;
    throw new ProblemError('not_found', 'The object store takes no uploads in parts');
  };

  const find = async (userId: string, assetId: string): Promise<UploadRow> => {
    const row = await db
      .selectFrom('uploads')
      .selectAll()
      .where('id', '=', assetId)
      .where('user_id', '=', userId)
      .executeTakeFirst();
    if (!row) throw new ProblemError('not_found', 'There is no such upload');
    if (row.state === 'rejected') {
      throw new ProblemError(row.error?.code ?? 'not_found', row.error?.detail);
    }
    if (row.state === 'finalized') throw new ProblemError('already_exists');
    return row;
  };

  /** As long as parts are asked for, the sweep leaves the upload alone. */
  const renew = async (row: UploadRow): Promise<void> => {
    const nowMs = clock();
    // What is over was refunded: credentials charge it anew.
    if (row.expires_at.getTime() <= nowMs) throw new ProblemError('url_expired');
    await db
      .updateTable('uploads')
      .set({ expires_at: new Date(nowMs + TTL_MS) })
      .where('id', '=', row.id)
      .where('state', '=', 'pending')
      .where('expires_at', '<', new Date(nowMs + TTL_MS))
      .execute();
  };

  /** @returns false when another request changed the row first. */
  const keep = async (row: UploadRow, id: string | null, partSize: number | null) => {
    const { numUpdatedRows } = await db
      .updateTable('uploads')
      .set({ multipart_id: id, multipart_part_size: partSize })
      .where('id', '=', row.id)
      .where('state', '=', 'pending')
      .where('multipart_id', 'is not distinct from', row.multipart_id)
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  };

  const open = async (store: BlobMultipart, row: UploadRow, partSize: number) => {
    const uploadId = await store.begin(row.key, row.mime_type);
    if (await keep(row, uploadId, partSize)) return true;
    await store.abort(row.key, uploadId);
    return false;
  };

  return {
    async begin(userId, assetId, partSize) {
      const store = support();
      for (let tried = 0; tried < MAX_TRIES; tried++) {
        const row = await find(userId, assetId);
        refuseBeyond(row.size, partSize, store);
        await renew(row);
        const { multipart_id: uploadId, multipart_part_size: size } = row;
        if (uploadId !== null && size !== null) {
          const parts = await store.parts(row.key, uploadId);
          if (parts) return answerOf(size, parts);
          // Completed, though nobody was told: finalize takes it.
          if (await blobs.head(row.key)) return answerOf(size, plannedParts(row.size, size));
        }
        if (await open(store, row, partSize)) return { partSize, parts: [] };
      }
      throw new ProblemError('unavailable', 'The upload is being changed by other requests', {
        retryAfterSeconds: 1,
      });
    },

    async sign(userId, assetId, parts) {
      const store = support();
      const row = await find(userId, assetId);
      const { multipart_id: uploadId, multipart_part_size: partSize } = row;
      if (uploadId === null || partSize === null) {
        throw new ProblemError('not_found', 'No upload in parts is open: begin one');
      }
      const planned = plannedParts(row.size, partSize);
      const beyond = parts.find(({ partNumber }) => partNumber > planned.length);
      if (beyond) {
        const most = `There are ${planned.length} parts, and none numbered ${beyond.partNumber}`;
        throw new ProblemError('invalid_request', most);
      }
      await renew(row);
      return Promise.all(
        parts.map(async ({ partNumber, checksum }) => {
          const { url, method, headers } = await store.signPart({
            ...{ key: row.key, uploadId, partNumber, checksum },
            sizeBytes: planned[partNumber - 1]?.sizeBytes ?? 0,
            expiresInSeconds: CREDENTIAL_TTL_SECONDS,
          });
          return { partNumber, uploadUrl: url, method, headers, expiresInMs: TTL_MS };
        }),
      );
    },

    async abort(userId, assetId) {
      const store = support();
      const row = await find(userId, assetId);
      if (row.multipart_id === null) return false;
      // The row last: cut short, it is done again.
      const isAborted = await store.abort(row.key, row.multipart_id);
      await keep(row, null, null);
      return isAborted;
    },
  };
}

/**
 * Makes the object of parts, when the store has all of them. Only the store is believed: what it lists must be
 * the parts that the size calls for. Safe to repeat, and to run at the same time.
 */
export async function completeMultipart(blobs: BlobStore, row: UploadRow): Promise<void> {
  const { multipart_id: uploadId, multipart_part_size: partSize } = row;
  if (!blobs.multipart || uploadId === null || partSize === null) return;
  const parts = await blobs.multipart.parts(row.key, uploadId);
  if (!parts) return;
  const planned = plannedParts(row.size, partSize);
  const isWhole =
    parts.length === planned.length &&
    planned.every(({ partNumber, sizeBytes }, i) => {
      const part = parts[i];
      return part?.partNumber === partNumber && part.sizeBytes === sizeBytes;
    });
  if (isWhole) await blobs.multipart.complete(row.key, uploadId);
}

function plannedParts(size: number, partSize: number): Omit<BlobPart, 'etag'>[] {
  return Array.from({ length: Math.ceil(size / partSize) }, (_, i) => ({
    partNumber: i + 1,
    sizeBytes: Math.min(partSize, size - i * partSize),
  }));
}

function answerOf(partSize: number, parts: readonly Omit<BlobPart, 'etag'>[]) {
  return {
    partSize,
    parts: parts.map(({ partNumber, sizeBytes }) => ({ partNumber, size: sizeBytes })),
  };
}

function refuseBeyond(size: number, partSize: number, { limits, fromBytes }: BlobMultipart): void {
  if (size < fromBytes) {
    throw new ProblemError('invalid_request', `Files below ${fromBytes} bytes go by one PUT`);
  }
  const { minPartBytes, maxPartBytes, maxParts } = limits;
  if (partSize >= minPartBytes && partSize <= maxPartBytes && size / partSize <= maxParts) return;
  const bounds = `from ${minPartBytes} to ${maxPartBytes} bytes, and at most ${maxParts} of them`;
  throw new ProblemError('invalid_request', `partSize: parts are ${bounds}`);
}
