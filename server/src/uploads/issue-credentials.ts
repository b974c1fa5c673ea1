import { randomUUID } from 'node:crypto';
import {
  CREDENTIAL_TTL_SECONDS,
  type Credential,
  type UploadRequest,
  type UploadUrlResult,
} from 'bulkhead/protocol';
import { sql } from 'kysely';
import type { BlobStore } from '../blobs/blob-store.ts';
import { originalKey } from '../blobs/keys.ts';
import type { Clock } from '../clock.ts';
import { retryConflicts } from '../database/retry-conflicts.ts';
import type { AssetRow, Database, UploadRow } from '../database/schema.ts';
import type { AssetView } from '../library/asset-view.ts';
import { fileProblem, ProblemError } from '../problem-error.ts';
import { validateFile } from './validate-file.ts';

export interface CredentialIssuerParts {
  db: Database;
  blobs: BlobStore;
  view: AssetView;
  maxFileBytes: number;
  clock: Clock;
}

/** Says which files may be sent, and gives what permits it. */
export interface CredentialIssuer {
  /** One result per file, in their order. */
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

type Promised = UploadRequest & { contentType: string };

export function createCredentialIssuer(parts: CredentialIssuerParts): CredentialIssuer {
  const { db, blobs, view, maxFileBytes, clock } = parts;

  /**
   * Makes the reservations that are new and renews those that stand, in one statement. Rejected
   * ones do not count: their client id is free again, for a new asset id.
   */
  const reserve = async (userId: string, files: readonly Promised[], expiresAt: Date) => {
    if (files.length === 0) return new Map<string, UploadRow>();
    const nowMs = clock();
    const insert = db
      .insertInto('uploads')
      .values(
        files.map((file) => {
          const id = randomUUID();
          return {
            id,
            user_id: userId,
            client_id: file.clientId,
            key: originalKey(userId, id, nowMs),
            filename: file.filename,
            path: file.path ?? null,
            mime_type: file.contentType,
            size: file.size,
            checksum: file.checksum,
            state: 'pending' as const,
            expires_at: expiresAt,
            created_at: new Date(nowMs),
          };
        }),
      )
      .onConflict((conflict) =>
        conflict
          .columns(['user_id', 'client_id'])
          .where('state', '<>', sql.lit('rejected'))
          .doUpdateSet({
            expires_at: sql`case when uploads.state = 'pending'
              then greatest(uploads.expires_at, excluded.expires_at)
              else uploads.expires_at end`,
          }),
      )
      .returningAll();
    // Two requests that name the same ids in another order can lock one another out.
    const rows = await retryConflicts(() => insert.execute());
    return new Map(rows.map((row) => [row.client_id, row]));
  };

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
      expiresAt: new Date(clock() + expiresInMs).toISOString(),
      expiresInMs,
    };
  };

  const expiry = () => new Date(clock() + CREDENTIAL_TTL_SECONDS * 1000);

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
      const wanted = [...valid.values()].filter((file) => !assets.has(file.checksum));
      const uploads = await reserve(userId, wanted, expiry());
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
      const row = (await reserve(userId, [promised], expiry())).get(clientId);
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
