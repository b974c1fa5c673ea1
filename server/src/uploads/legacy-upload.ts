import { randomUUID } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { FileProblem, FinalizedAsset } from 'bulkhead/protocol';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { Database } from '../database/schema.ts';
import { ProblemError } from '../problem-error.ts';
import type { Finalizer } from './finalize.ts';
import type { CredentialIssuer } from './issue-credentials.ts';
import { isLegacyField, LEGACY_FIELDS, readLegacyField } from './legacy-fields.ts';
import type { QuotaRoom } from './quota-room.ts';
import { openSpool, type Spooled, spoolBytes } from './spool.ts';
import { validateFile } from './validate-file.ts';

/** A part of a form, as its reader needs it. */
export interface LegacyPart {
  name: string;
  filename: string | undefined;
  mimeType: string;
  chunks(): AsyncIterable<Uint8Array>;
}

/** The upload of old: one file through the server, in one request. */
export interface LegacyUploads {
  readonly maxFileBytes: number;
  /**
   * Receives, stores and finalizes one file. With a `clientId`, a repeat gives the same asset.
   * @param leastFileBytes so many bytes the file has at least, by what was announced
   * @throws {ProblemError} as credentials and finalize would have said. What can be said before the file's bytes
   *   are here is said then: nothing of them is kept.
   */
  receive(
    userId: string,
    form: AsyncIterable<LegacyPart>,
    leastFileBytes: number,
  ): Promise<FinalizedAsset>;
}

export interface LegacyUploadParts {
  db: Database;
  blobs: BlobStore;
  room: QuotaRoom;
  issuer: CredentialIssuer;
  finalizer: Finalizer;
  maxFileBytes: number;
}

type Fields = ReadonlyMap<string, string>;

/** What the form brought. */
type Received = Spooled & { filename: string; mimeType: string };

export function createLegacyUploads(parts: LegacyUploadParts): LegacyUploads {
  const { db, blobs, room, issuer, finalizer, maxFileBytes } = parts;

  /** What is refused by a quota says how long to wait, whoever found out. */
  const refusalOf = async (userId: string, { code, detail }: FileProblem) =>
    code === 'quota_exceeded' ? room.exceeded(userId) : new ProblemError(code, detail);

  /** @returns how many bytes may come. @throws {ProblemError} what is wrong with the file, or with taking it now */
  const admit = async (userId: string, part: LegacyPart, fields: Fields, leastBytes: number) => {
    const { filename = '', mimeType } = part;
    if (filename === '') throw new ProblemError('invalid_name', 'The file has no name');
    const promised = { filename, mimeType, path: fields.get('path'), size: leastBytes };
    const validation = validateFile(promised, maxFileBytes);
    if (!validation.ok) {
      throw new ProblemError(validation.problem.code, validation.problem.detail);
    }
    return room.admit(userId, {
      ...{ leastBytes, mostBytes: maxFileBytes },
      ...{ clientId: fields.get('clientId'), checksum: fields.get('checksum') },
    });
  };

  const receiveFile = async (
    userId: string,
    part: LegacyPart,
    spool: FileHandle,
    maxBytes: number,
  ): Promise<Received> => {
    const file = await spoolBytes(part.chunks(), spool, maxBytes);
    if (file !== 'too_large') {
      return { ...file, filename: part.filename ?? '', mimeType: part.mimeType };
    }
    if (maxBytes < maxFileBytes) throw await room.exceeded(userId);
    throw new ProblemError('file_too_large', `At most ${maxFileBytes} bytes are taken`);
  };

  const store = async (userId: string, assetId: string, spool: FileHandle) => {
    const row = await db
      .selectFrom('uploads')
      .selectAll()
      .where('id', '=', assetId)
      .where('user_id', '=', userId)
      .executeTakeFirstOrThrow();
    const { key, size: sizeBytes, checksum, mime_type: contentType } = row;
    const source = spool.createReadStream({ start: 0, autoClose: false });
    try {
      // What is there already is for finalize to judge.
      await blobs.create({ key, sizeBytes, checksum, contentType }, source);
    } finally {
      source.destroy();
    }
  };

  const keep = async (
    userId: string,
    file: Received,
    fields: Fields,
    spool: FileHandle,
  ): Promise<FinalizedAsset> => {
    const promised = fields.get('checksum');
    if (promised !== undefined && promised !== file.checksum) {
      throw new ProblemError('checksum_mismatch');
    }
    const clientId = fields.get('clientId') || randomUUID();
    const folder = fields.get('path');
    const [result] = await issuer.issueBatch(userId, [
      { ...file, clientId, ...(folder !== undefined && { path: folder }) },
    ]);
    if (!result) throw new Error('No credential was answered');
    if (result.status === 'duplicate') return result.asset;
    if (result.status === 'rejected') throw await refusalOf(userId, result.error);
    const { assetId } = result.credential;
    await store(userId, assetId, spool);
    const [finalized] = await finalizer.finalize(userId, [{ assetId }]);
    if (!finalized) throw new Error('Finalize gave no result');
    if (finalized.success) return finalized.asset;
    throw await refusalOf(userId, finalized.error);
  };

  return {
    maxFileBytes,
    async receive(userId, form, leastFileBytes) {
      let spool: FileHandle | undefined;
      try {
        const fields = new Map<string, string>();
        let file: Received | undefined;
        for await (const part of form) {
          const { name } = part;
          if (name === 'file' && !spool) {
            const maxBytes = await admit(userId, part, fields, leastFileBytes);
            spool = await openSpool();
            file = await receiveFile(userId, part, spool, maxBytes);
          } else if (isLegacyField(name) && !fields.has(name)) {
            fields.set(name, await readLegacyField(name, part.chunks()));
          } else {
            const came = JSON.stringify(name.slice(0, 100));
            const expected = `one "file", and of ${LEGACY_FIELDS.join(', ')} each once`;
            throw new ProblemError('invalid_request', `${came} came; expected ${expected}`);
          }
        }
        if (!file || !spool) {
          throw new ProblemError('invalid_request', 'The form has no field "file"');
        }
        return await keep(userId, file, fields, spool);
      } finally {
        await spool?.close();
      }
    },
  };
}
