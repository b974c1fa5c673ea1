import { randomBytes, randomUUID } from 'node:crypto';
import {
  type AssetChange,
  CREDENTIAL_TTL_SECONDS,
  type FinalizedAsset,
  type FinalizeItem,
  type FinalizeResult,
  PACK_MANIFEST_FIELD,
  type PackLimits,
  type PackManifest,
  type ReconcileFile,
  type ReconcileResult,
  type Stats,
  type UploadRequest,
  type UploadUrlResult,
} from '../../../src/protocol/index.ts';
import type { Exchange, RunWorld } from './exchange.ts';
import { FormCounter, FormError } from './form-counter.ts';
import { postPolicyFields } from './peer-routes.ts';

/** Packs as a server of ours takes them unless it is told otherwise. */
export const PACK_LIMITS: PackLimits = {
  maxFiles: 256,
  maxBytes: 4 * 1024 * 1024,
  maxFileBytes: 512 * 1024,
};
const HEARTBEAT_MS = 15_000;
const NO_STATS: Stats = { total: 0, uploaded: 0, processed: 0, embedded: 0, failed: 0 };

type Answer<T> = { readonly results: readonly T[] };

/** `POST /api/upload-urls` */
export async function uploadUrls(exchange: Exchange): Promise<void> {
  const { world } = exchange;
  const { files } = await exchange.readJson<{ files: UploadRequest[] }>();
  const expiresInMs = CREDENTIAL_TTL_SECONDS * 1_000;
  const expiresAt = new Date(Date.now() + expiresInMs).toISOString();
  const results = files.map(({ clientId, filename, mimeType }): UploadUrlResult => {
    const assetId = randomUUID();
    world.reservations.set(assetId, filename);
    const permit =
      world.intake === 'forms'
        ? formPermit(world, filename, mimeType)
        : putPermit(world, filename, mimeType);
    const credential = { ...permit, assetId, pathname: filename, expiresAt, expiresInMs };
    return { clientId, status: 'granted', credential };
  });
  const pack = world.intake === 'packs' ? { pack: PACK_LIMITS } : {};
  exchange.json({ results, ...pack } satisfies Answer<UploadUrlResult>);
}

/** `POST /api/upload-complete`, of a batch */
export async function uploadComplete(exchange: Exchange): Promise<void> {
  const { world } = exchange;
  const { uploads } = await exchange.readJson<{ uploads: FinalizeItem[] }>();
  const results = uploads.map(({ assetId }) => finalize(assetId, world));
  exchange.json({ results } satisfies Answer<FinalizeResult>);
}

/** `POST /api/upload-pack`: the files are counted as they come, and answered one by one. */
export async function uploadPack(exchange: Exchange): Promise<void> {
  const { world } = exchange;
  const { reservations, tally } = world;
  let manifest: PackManifest | undefined;
  const sizes = new Map<string, number>();
  const counter = new FormCounter(exchange.headers['content-type'], ({ name, text, sizeBytes }) => {
    if (name === PACK_MANIFEST_FIELD) manifest = JSON.parse(text) as PackManifest;
    else sizes.set(name, sizeBytes);
  });
  await exchange.consume((chunk) => counter.push(chunk));
  counter.end();
  if (!manifest) throw new FormError('The pack has no manifest');
  const results = manifest.files.map(({ assetId, size }) => {
    const name = reservations.get(assetId);
    if (name !== undefined && sizes.get(assetId) === size) tally.stored(name, size);
    return finalize(assetId, world);
  });
  exchange.json({ results } satisfies Answer<FinalizeResult>);
}

/** `POST /api/uploads/reconcile`: every page is a new one here. */
export async function reconcile(exchange: Exchange): Promise<void> {
  const { files } = await exchange.readJson<{ files: ReconcileFile[] }>();
  const results = files.map(({ clientId }) => ({ clientId, status: 'unknown' as const }));
  exchange.json({ results } satisfies Answer<ReconcileResult>);
}

/** `POST /api/assets/changes`: nothing is processed here. */
export async function assetChanges(exchange: Exchange): Promise<void> {
  await exchange.drain();
  exchange.json({ changes: [] satisfies AssetChange[] });
}

/** `GET /api/processing-stats` */
export async function processingStats(exchange: Exchange): Promise<void> {
  exchange.json({ stats: NO_STATS, timestamp: new Date().toISOString() });
}

/** `GET /api/sse/processing-updates`: open, and idle but for its heartbeat. */
export async function processingUpdates(exchange: Exchange): Promise<void> {
  const write = exchange.stream({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
  });
  const progress = { type: 'progress', stats: NO_STATS, timestamp: new Date().toISOString() };
  write(`data: ${JSON.stringify(progress)}\n\n`);
  const timer = setInterval(() => write('event: heartbeat\ndata: {}\n\n'), HEARTBEAT_MS);
  exchange.body.once('close', () => clearInterval(timer));
}

function putPermit({ storeUrl }: RunWorld, filename: string, mimeType: string) {
  return {
    uploadUrl: `${storeUrl}/bucket/${filename}?signature=${randomBytes(32).toString('hex')}`,
    method: 'PUT' as const,
    headers: { 'content-type': mimeType },
  };
}

/** As long as one of S3. */
function formPermit({ storeUrl }: RunWorld, filename: string, mimeType: string) {
  return {
    uploadUrl: `${storeUrl}/bucket`,
    method: 'POST' as const,
    headers: {},
    fields: {
      'Content-Type': mimeType,
      'x-amz-checksum-algorithm': 'SHA256',
      'x-amz-checksum-sha256': randomBytes(32).toString('base64'),
      ...postPolicyFields(),
      key: filename,
    },
  };
}

function finalize(assetId: string, { reservations, tally }: RunWorld): FinalizeResult {
  const name = reservations.get(assetId);
  if (name === undefined || !tally.has(name)) {
    const error = { code: 'not_uploaded', detail: 'The bytes have not arrived' } as const;
    return { assetId, success: false, error };
  }
  tally.finalized(name);
  const asset: FinalizedAsset = {
    id: assetId,
    blobUrl: `/bucket/${name}`,
    ...{ isDuplicate: false, needsProcessing: true },
  };
  return { assetId, success: true, asset };
}
