import { randomUUID } from 'node:crypto';
import {
  CREDENTIAL_TTL_SECONDS,
  type Credential,
  type UploadRequest,
  type UploadUrlResult,
} from 'bulkhead/protocol';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { Clock } from '../clock.ts';
import type { AssetRow, Database, UploadRow } from '../database/schema.ts';
import type { AssetView } from '../library/asset-view.ts';
import { fileProblem, ProblemError } from '../problem-error.ts';
import type { Quotas } from '../rate-limit/quota.ts';
import { freeClientIds, withMissingBlobs } from './missing-blobs.ts';
import { type Promised, reserveUploads } from './reserve.ts';
import { validateFile } from './validate-file.ts';

export interface CredentialIssuerParts {
  db: Database;
  blobs: BlobStore;
  view: AssetView;
  maxFileBytes: number;
  quotas: Quotas;
  clock: Clock;
}

/** Says which files may be sent, and gives what permits it. */
export interface CredentialIssuer {
  /**
   * One result per file, in their order.
   * @throws {ProblemError} `rate_limited` when the user has too many uploads under way.
   */
  issueBatch(userId: string, files: readonly UploadRequest[]): Promise<UploadUrlResult[]>;
  /**
   * One credential; without a client id the call is a file of its own.
   * @throws {ProblemError} where a batch would have answered `rejected`.
   */
  issueOne(
    userId: string,
    file: Omit<UploadRequest, 'clientId'> & { clientId?: string | undefined },
  ): Promise<Credential>;
}

export function createCredentialIssuer(parts: CredentialIssuerParts): CredentialIssuer {
  const { db, blobs, view, maxFileBytes, clock } = parts;

  const assetsByChecksum = async (userId: string, checksums: readonly string[]) => {
    if (checksums.length === 0) return new Map<string, AssetRow>();
    const rows = await db
      .selectFrom('assets')
      .selectAll()
      .where('user_id', '=', userId)
      .where('checksum', 'in', checksums)
      .execute();
    return new Map(rows.map((row) => [row.checksum, row]));
  };

  const sign = async (row: UploadRow): Promise<Credential> => {
    const put = await blobs.signPut({
      key: row.key,
      sizeBytes: row.size,
      checksum: row.checksum,
      contentType: row.mime_type,
      expiresInSeconds: CREDENTIAL_TTL_SECONDS,
    });
    const expiresInMs = CREDENTIAL_TTL_SECONDS * 1000;
    return {
      uploadUrl: put.url,
      assetId: row.id,
      pathname: row.key,
      method: put.method,
      headers: put.headers,
      ...(put.method === 'POST' && { fields: put.fields }),
      expiresAt: new Date(clock() + expiresInMs).toISOString(),
      expiresInMs,
      ...(blobs.multipart &&
        row.size >= blobs.multipart.fromBytes && { multipart: blobs.multipart.limits }),
    };
  };

  return {
    async issueBatch(userId, files) {
      const validated = files.map((file) => {
        const validation = validateFile(file, maxFileBytes);
        return { file, validation };
      });
      // The same client id twice in one batch is the same file, said twice: reserved once.
      const valid = new Map<string, Promised>();
      for (const { file, validation } of validated) {
        if (validation.ok && !valid.has(file.clientId)) {
          valid.set(file.clientId, { ...file, contentType: validation.contentType });
        }
      }
      const checksums = [...new Set([...valid.values()].map((file) => file.checksum))];
      const assets = await assetsByChecksum(userId, checksums);
      // No duplicates: the store lost their bytes, and these are the ones to mend them.
      const missing = await withMissingBlobs(blobs, [...assets.values()]);
      if (missing.size > 0) {
        for (const [checksum, { id }] of assets) if (missing.has(id)) assets.delete(checksum);
        await freeClientIds(db, userId, [...valid.keys()], [...missing]);
      }
      const wanted = [...valid.values()].filter((file) => !assets.has(file.checksum));
      const { uploads, refused } = await reserveUploads(parts, userId, wanted);
      // Finalized between the two statements: then its asset is there now.
      const late = wanted.filter((f) => uploads.get(f.clientId)?.state === 'finalized');
      for (const [checksum, asset] of await assetsByChecksum(
        userId,
        late.map((file) => file.checksum),
      )) {
        assets.set(checksum, asset);
      }

      return Promise.all(
        validated.map(async ({ file, validation }): Promise<UploadUrlResult> => {
          const { clientId } = file;
          if (!validation.ok) return { clientId, status: 'rejected', error: validation.problem };
          const asset = assets.get(file.checksum);
          if (asset) {
            return { clientId, status: 'duplicate', asset: await view.finalized(asset, true) };
          }
          const problem = refused.get(clientId);
          if (problem) return { clientId, status: 'rejected', error: problem };
          const row = uploads.get(clientId);
          if (row?.state !== 'pending' || !isSamePromise(row, file, validation.contentType)) {
            return {
              clientId,
              status: 'rejected',
              error: fileProblem('client_id_conflict', conflictDetail(clientId)),
            };
          }
          return { clientId, status: 'granted', credential: await sign(row) };
        }),
      );
    },

    async issueOne(userId, { clientId = randomUUID(), ...file }) {
      const validation = validateFile(file, maxFileBytes);
      if (!validation.ok) {
        throw new ProblemError(validation.problem.code, validation.problem.detail);
      }
      const promised = { ...file, clientId, contentType: validation.contentType };
      const { uploads, refused } = await reserveUploads(parts, userId, [promised]);
      const problem = refused.get(clientId);
      if (problem) throw new ProblemError(problem.code, problem.detail);
      const row = uploads.get(clientId);
      if (row?.state !== 'pending' || !isSamePromise(row, promised, validation.contentType)) {
        throw new ProblemError('client_id_conflict', conflictDetail(clientId));
      }
      return sign(row);
    },
  };
}

function isSamePromise(row: UploadRow, file: UploadRequest, contentType: string): boolean {
  return (
    row.checksum === file.checksum &&
    row.size === file.size &&
    row.mime_type === contentType &&
    row.filename === file.filename &&
    row.path === (file.path ?? null)
  );
}

function conflictDetail(clientId: string): string {
  return `clientId ${JSON.stringify(clientId)} was used for another file`;
}
