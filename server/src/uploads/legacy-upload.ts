import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checksumSchema, type FinalizedAsset } from 'bulkhead/protocol';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { Database } from '../database/schema.ts';
import { ProblemError } from '../problem-error.ts';
import type { Finalizer } from './finalize.ts';
import type { CredentialIssuer } from './issue-credentials.ts';

const MAX_FIELD_BYTES = 4096;
/** Files of one process that may be on its disk at once, each as large as a file may be. */
const MAX_SPOOLED = 8;
const RETRY_SECONDS = 2;
const FIELDS = ['clientId', 'path', 'checksum'] as const;

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
   * @throws {ProblemError} as credentials and finalize would have said.
   */
  receive(userId: string, form: AsyncIterable<LegacyPart>): Promise<FinalizedAsset>;
}

export interface LegacyUploadParts {
  db: Database;
  blobs: BlobStore;
  issuer: CredentialIssuer;
  finalizer: Finalizer;
  maxFileBytes: number;
}

/** What the form brought. */
interface Received {
  filename: string;
  mimeType: string;
  size: number;
  checksum: string;
}

export function createLegacyUploads(parts: LegacyUploadParts): LegacyUploads {
  const { db, blobs, issuer, finalizer, maxFileBytes } = parts;

  let spooled = 0;

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
    fields: ReadonlyMap<string, string>,
    spool: FileHandle,
  ): Promise<FinalizedAsset> => {
    const promised = fields.get('checksum');
    if (promised !== undefined && promised !== file.checksum) {
      const code = checksumSchema.safeParse(promised).success
        ? 'checksum_mismatch'
        : 'invalid_request';
      throw new ProblemError(code, 'checksum: not the SHA-256 of the file, in lower-case hex');
    }
    const clientId = fields.get('clientId') || randomUUID();
    if (clientId.length > 128) {
      throw new ProblemError('invalid_request', 'clientId: at most 128 characters');
    }
    const folder = fields.get('path');
    const [result] = await issuer.issueBatch(userId, [
      { ...file, clientId, ...(folder !== undefined && { path: folder }) },
    ]);
    if (!result) throw new Error('No credential was answered');
    if (result.status === 'duplicate') return result.asset;
    if (result.status === 'rejected') {
      throw new ProblemError(result.error.code, result.error.detail);
    }
    const { assetId } = result.credential;
    await store(userId, assetId, spool);
    const [finalized] = await finalizer.finalize(userId, [{ assetId }]);
    if (!finalized) throw new Error('Finalize gave no result');
    if (finalized.success) return finalized.asset;
    throw new ProblemError(finalized.error.code, finalized.error.detail);
  };

  return {
    maxFileBytes,
    async receive(userId, form) {
      if (spooled >= MAX_SPOOLED) {
        const message = 'Too many forms are being received: please try again';
        throw new ProblemError('unavailable', message, { retryAfterSeconds: RETRY_SECONDS });
      }
      spooled += 1;
      let spool: FileHandle | undefined;
      try {
        spool = await openSpool();
        const fields = new Map<string, string>();
        let file: Received | undefined;
        for await (const part of form) {
          if (part.name === 'file' && !file) file = await spoolFile(part, spool, maxFileBytes);
          else if (isField(part.name) && !fields.has(part.name)) {
            fields.set(part.name, await readField(part));
          } else {
            const came = JSON.stringify(part.name.slice(0, 100));
            const expected = `one "file", and of ${FIELDS.join(', ')} each once`;
            throw new ProblemError('invalid_request', `${came} came; expected ${expected}`);
          }
        }
        if (!file) throw new ProblemError('invalid_request', 'The form has no field "file"');
        return await keep(userId, file, fields, spool);
      } finally {
        spooled -= 1;
        await spool?.close();
      }
    },
  };
}

/** A file without a name: it goes with the process, however that ends. */
async function openSpool(): Promise<FileHandle> {
  const dir = await mkdtemp(join(tmpdir(), 'bulkhead-form-'));
  try {
    return await open(join(dir, 'file'), 'wx+', 0o600);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function isField(name: string): boolean {
  return FIELDS.some((field) => field === name);
}

/** Size and checksum are known at the end only, and a store wants them first: so it waits on disk. */
async function spoolFile(
  part: LegacyPart,
  spool: FileHandle,
  maxFileBytes: number,
): Promise<Received> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of part.chunks()) {
    size += chunk.byteLength;
    if (size > maxFileBytes) {
      throw new ProblemError('file_too_large', `At most ${maxFileBytes} bytes are taken`);
    }
    hash.update(chunk);
    await spool.writeFile(chunk);
  }
  const { filename = '', mimeType } = part;
  if (filename === '') throw new ProblemError('invalid_name', 'The file has no name');
  return { filename, mimeType, size, checksum: hash.digest('hex') };
}

async function readField(part: LegacyPart): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of part.chunks()) {
    length += chunk.byteLength;
    if (length > MAX_FIELD_BYTES) {
      throw new ProblemError(
        'body_too_large',
        `${part.name} has more than ${MAX_FIELD_BYTES} bytes`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
