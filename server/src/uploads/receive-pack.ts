import { createHash } from 'node:crypto';
import {
  type FileProblem,
  type FinalizeResult,
  MAX_PACK_MANIFEST_BYTES,
  PACK_MANIFEST_FIELD,
  type PackLimits,
  type PackManifest,
} from 'bulkhead/protocol';
import type { BlobStore } from '../blobs/blob-store.ts';
import { BodyAbortedError } from '../blobs/request-body.ts';
import type { Clock } from '../clock.ts';
import type { Database, UploadRow } from '../database/schema.ts';
import { ImageError } from '../images/image-error.ts';
import { sniffImageType, TYPE_SNIFF_BYTES } from '../images/image-type.ts';
import { fileProblem, ProblemError } from '../problem-error.ts';
import type { Finalizer } from './finalize.ts';
import type { Inspection } from './inspect-object.ts';

/** A part of a form, as its reader needs it. */
export interface PackPart {
  name: string;
  chunks(): AsyncIterable<Uint8Array>;
}

export interface PackReceiver {
  readonly limits: PackLimits;
  /**
   * Stores each file of a pack as it arrives whole, then finalizes them together. One result per entry of the
   * manifest, in its order; of a body that was cut off, too.
   * @throws {ProblemError} when the pack does not keep the rules. What arrived before is stored and finalized.
   */
  receive(userId: string, parts: AsyncIterable<PackPart>): Promise<FinalizeResult[]>;
}

export interface PackReceiverParts {
  db: Database;
  blobs: BlobStore;
  finalizer: Finalizer;
  /** @throws {ProblemError} `invalid_request`, `batch_too_large` */
  parseManifest: (text: string) => PackManifest;
  limits: PackLimits;
  clock: Clock;
}

type Entry = PackManifest['files'][number];

/** What became of the files that arrived, by asset id. */
interface Arrivals {
  /** Stored by this pack, or refused by their bytes. */
  inspected: Map<string, Inspection>;
  /** Not stored, and why; holds unless the file was stored before. */
  problems: Map<string, FileProblem>;
}

export function createPackReceiver(parts: PackReceiverParts): PackReceiver {
  const { db, blobs, finalizer, parseManifest, limits, clock } = parts;

  const reservationsOf = async (userId: string, files: readonly Entry[]) => {
    const rows = await db
      .selectFrom('uploads')
      .selectAll()
      .where('user_id', '=', userId)
      .where(
        'id',
        'in',
        files.map(({ assetId }) => assetId),
      )
      .execute();
    return new Map(rows.map((row) => [row.id, row]));
  };

  /** Why bytes for a reservation are not taken; finalize says the rest. */
  const refusalOf = (entry: Entry, row: UploadRow): FileProblem | undefined => {
    if (entry.size !== row.size) {
      return fileProblem('size_mismatch', `${row.size} bytes were promised before`);
    }
    if (entry.checksum !== row.checksum) {
      return fileProblem('checksum_mismatch', 'Another checksum was promised');
    }
    if (row.expires_at.getTime() <= clock()) return fileProblem('url_expired');
    return undefined;
  };

  const store = async (row: UploadRow, bytes: Uint8Array, { inspected }: Arrivals) => {
    try {
      const head = bytes.subarray(0, TYPE_SNIFF_BYTES);
      const mimeType = await sniffImageType(head);
      const { key, size: sizeBytes, checksum, mime_type: contentType } = row;
      const isNew = await blobs.create({ key, sizeBytes, checksum, contentType }, bytes);
      // What was there already is for finalize to look at.
      if (isNew && row.multipart_id === null) {
        inspected.set(row.id, { status: 'accepted', mimeType });
      }
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      const problem = fileProblem(error.code, error.message);
      inspected.set(row.id, { status: 'refused', problem });
    }
  };

  const receiveFile = async (
    part: PackPart,
    entry: Entry,
    row: UploadRow | undefined,
    arrivals: Arrivals,
  ) => {
    if (row?.state !== 'pending') return;
    const refusal = refusalOf(entry, row);
    const bytes = refusal ?? (await readExactly(part, entry));
    if (bytes instanceof Uint8Array) await store(row, bytes, arrivals);
    else arrivals.problems.set(row.id, bytes);
  };

  return {
    limits,
    async receive(userId, form) {
      const iterator = form[Symbol.asyncIterator]();
      const arrivals: Arrivals = { inspected: new Map(), problems: new Map() };
      let failure: unknown;
      let files: readonly Entry[];
      try {
        files = await readManifest(iterator, parseManifest, limits);
        const rows = await reservationsOf(userId, files);
        try {
          for (const entry of files) {
            const part = await nextPart(iterator);
            if (!part) break;
            refuseOther(part, entry);
            await receiveFile(part, entry, rows.get(entry.assetId), arrivals);
          }
          if (await nextPart(iterator)) {
            throw new ProblemError('invalid_request', 'More parts came than the manifest names');
          }
        } catch (error) {
          failure = error;
        }
      } finally {
        await iterator.return?.();
      }
      // A client that went away may come back: what arrived is kept, and counts.
      if (failure !== undefined && arrivals.inspected.size === 0) throwUnlessCutOff(failure);
      const items = files.map(({ assetId, checksum }) => ({ assetId, checksum }));
      const results = await finalizer.finalize(userId, items, arrivals.inspected);
      throwUnlessCutOff(failure);
      return results.map((result) => {
        if (result.success || result.error.code !== 'not_uploaded') return result;
        const error = arrivals.problems.get(result.assetId) ?? result.error;
        return { ...result, error };
      });
    },
  };
}

function throwUnlessCutOff(failure: unknown): void {
  if (failure !== undefined && !(failure instanceof BodyAbortedError)) throw failure;
}

async function nextPart(parts: AsyncIterator<PackPart>): Promise<PackPart | undefined> {
  const { done, value } = await parts.next();
  return done ? undefined : value;
}

async function readManifest(
  parts: AsyncIterator<PackPart>,
  parseManifest: PackReceiverParts['parseManifest'],
  limits: PackLimits,
): Promise<readonly Entry[]> {
  const part = await nextPart(parts);
  if (part?.name !== PACK_MANIFEST_FIELD) {
    throw new ProblemError('invalid_request', `The first part must be "${PACK_MANIFEST_FIELD}"`);
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of part.chunks()) {
    length += chunk.byteLength;
    if (length > MAX_PACK_MANIFEST_BYTES) {
      const most = `A manifest may have at most ${MAX_PACK_MANIFEST_BYTES} bytes`;
      throw new ProblemError('body_too_large', most);
    }
    chunks.push(chunk);
  }
  const { files } = parseManifest(Buffer.concat(chunks).toString('utf8'));
  refuseBeyond(files, limits);
  return files;
}

function refuseBeyond(files: readonly Entry[], limits: PackLimits): void {
  if (files.length > limits.maxFiles) {
    const most = `files: ${files.length} in one pack; at most ${limits.maxFiles} are taken`;
    throw new ProblemError('batch_too_large', most);
  }
  if (new Set(files.map(({ assetId }) => assetId)).size < files.length) {
    throw new ProblemError('invalid_request', 'files: an asset id stands there twice');
  }
  const large = files.find(({ size }) => size > limits.maxFileBytes);
  if (large) {
    const most = `${large.assetId} has ${large.size} bytes; at most ${limits.maxFileBytes} go in a pack`;
    throw new ProblemError('file_too_large', most);
  }
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  if (bytes > limits.maxBytes) {
    const most = `A pack may have at most ${limits.maxBytes} bytes of files, this one has ${bytes}`;
    throw new ProblemError('body_too_large', most);
  }
}

function refuseOther(part: PackPart, entry: Entry): void {
  if (part.name === entry.assetId) return;
  const expected = `expected the part "${entry.assetId}", as the manifest has it`;
  const came = JSON.stringify(part.name.slice(0, 100));
  throw new ProblemError('invalid_request', `${expected}; ${came} came`);
}

/** One file in memory: small ones only come in packs. */
async function readExactly(part: PackPart, entry: Entry): Promise<Uint8Array | FileProblem> {
  const bytes = Buffer.allocUnsafe(entry.size);
  const hash = createHash('sha256');
  let received = 0;
  for await (const chunk of part.chunks()) {
    if (received + chunk.byteLength > entry.size) {
      return fileProblem('size_mismatch', `${entry.size} bytes were promised, more arrived`);
    }
    hash.update(chunk);
    bytes.set(chunk, received);
    received += chunk.byteLength;
  }
  if (received < entry.size) {
    return fileProblem('size_mismatch', `${entry.size} bytes were promised, ${received} arrived`);
  }
  return hash.digest('hex') === entry.checksum ? bytes : fileProblem('checksum_mismatch');
}
