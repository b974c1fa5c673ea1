import { Readable } from 'node:stream';
import type { ReadableStream as NodeReadableStream } from 'node:stream/web';
import {
  del,
  head,
  type IssuedSignedToken,
  issueSignedToken,
  list,
  presignUrl,
  put,
  BlobNotFoundError as VercelNotFoundError,
} from '@vercel/blob';
import { generateClientTokenFromReadWriteToken } from '@vercel/blob/client';
import * as z from 'zod';
import type { Clock } from '../clock.ts';
import { resolveOptions } from '../config.ts';
import { BlobNotFoundError, type BlobStore, BlobStoreUnusableError } from './blob-store.ts';
import { ChecksumError, verified } from './verified.ts';

const optionsSchema = z.strictObject({
  /** The store's read-write token, `BLOB_READ_WRITE_TOKEN`. It can do everything: for this server only. */
  token: z
    .string()
    .regex(/^vercel_blob_rw_[A-Za-z0-9]+_\w+$/, 'expected a token such as vercel_blob_rw_…'),
  /**
   * As the store was made. Default `private`: URLs for reading are signed and expire. In a `public` store
   * whoever has an object's URL reads it for as long as it is there.
   */
  access: z.enum(['private', 'public']).default('private'),
  /** Where objects are read, for stand-ins of the service. Default: the store's own host. */
  blobOrigin: z.url({ protocol: /^https?$/ }).optional(),
  /** Milliseconds since the epoch; dates permits. Default `Date.now`. */
  clock: z
    .custom<Clock>((value) => typeof value === 'function', 'expected a function () => milliseconds')
    .optional(),
});

/**
 * What `createVercelBlobStore` takes.
 *
 * @interface
 */
export type VercelBlobStoreOptions = z.input<typeof optionsSchema>;

/** What the client sends as `x-api-version`: see `BLOB_API_VERSION` of @vercel/blob 2.8. */
const API_VERSION = '12';
const API_URL = 'https://vercel.com/api/blob';
const DELETE_BATCH = 100;
const PAGE_ENTRIES = 1000;

/**
 * A Vercel Blob store, by the official client. A permit is a client token in the headers of a PUT, the very
 * request that the official client makes in browsers. The service knows no SHA-256: finalize reads each
 * object and hashes it.
 * @throws {OptionsError} naming every option that does not fit.
 */
export function createVercelBlobStore(options: VercelBlobStoreOptions): BlobStore {
  const { token, access, blobOrigin, clock = Date.now } = resolveOptions(optionsSchema, options);
  const storeId = token.split('_')[3] ?? '';
  const auth = { token };
  const delegations = new Map<number, Promise<IssuedSignedToken>>();

  /** One for all objects and for a whole window of time: URLs stay the same in it, and cost no call. */
  const delegation = (validUntil: number) => {
    const known = delegations.get(validUntil);
    if (known) return known;
    for (const until of delegations.keys()) if (until < clock()) delegations.delete(until);
    const issued = issueSignedToken({ ...auth, pathname: '*', operations: ['get'], validUntil });
    delegations.set(validUntil, issued);
    issued.catch(() => delegations.delete(validUntil));
    return issued;
  };

  const find = async (key: string) => {
    try {
      return await head(key, auth);
    } catch (error) {
      if (error instanceof VercelNotFoundError) return undefined;
      throw error;
    }
  };

  const get = async (key: string, headers: Record<string, string> = {}) => {
    const info = await find(key);
    if (!info) throw new BlobNotFoundError(key);
    const url = new URL(info.url);
    // Past the CDN, which may have what a derivative was before.
    if (access === 'private') url.searchParams.set('cache', '0');
    const authorization: Record<string, string> =
      access === 'private' ? { Authorization: `Bearer ${token}` } : {};
    const response = await fetch(url, {
      headers: { ...headers, ...authorization },
      redirect: 'error',
    });
    if (response.status === 404) throw new BlobNotFoundError(key);
    if (!response.ok || !response.body) {
      throw new Error(`The object store answered ${response.status} when ${key} was read`);
    }
    return Readable.fromWeb(response.body as NodeReadableStream<Uint8Array>);
  };

  return {
    name: 'vercel-blob',
    capabilities: {
      createOnly: true,
      verifiesUploads: false,
      reportsChecksums: false,
      expiringReads: access === 'private',
      namesDownloads: false,
      isLocal: false,
    },

    async ping() {
      try {
        await list({ ...auth, limit: 1 });
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        const message = `The Vercel Blob store ${storeId} cannot be used: check the option token (${reason})`;
        throw new BlobStoreUnusableError(message, { cause });
      }
    },

    async signPut({ key, sizeBytes, contentType, expiresInSeconds }) {
      const nowMs = clock();
      const clientToken = await generateClientTokenFromReadWriteToken({
        ...auth,
        pathname: key,
        maximumSizeInBytes: sizeBytes,
        allowedContentTypes: [contentType],
        addRandomSuffix: false,
        allowOverwrite: false,
        validUntil: nowMs + expiresInSeconds * 1000,
      });
      const headers = {
        authorization: `Bearer ${clientToken}`,
        'x-api-blob-request-attempt': '0',
        'x-api-blob-request-id': `${storeId}:${nowMs}:${key.slice(key.lastIndexOf('/') + 1)}`,
        'x-api-version': API_VERSION,
        'x-content-type': contentType,
        'x-vercel-blob-access': access,
        'x-vercel-blob-store-id': storeId,
      };
      return {
        url: `${apiUrl()}/?${new URLSearchParams({ pathname: key })}`,
        method: 'PUT',
        headers,
      };
    },

    async signGet({ key, expiresInSeconds, downloadName }) {
      let url: URL;
      if (access === 'public') {
        url = new URL(`https://${storeId}.public.blob.vercel-storage.com/${key}`);
      } else {
        const lifetimeMs = expiresInSeconds * 1000;
        const validUntil = (Math.floor(clock() / lifetimeMs) + 2) * lifetimeMs;
        const signed = await delegation(validUntil);
        const { presignedUrl } = await presignUrl(signed, {
          operation: 'get',
          pathname: key,
          access,
        });
        url = new URL(presignedUrl);
      }
      if (blobOrigin !== undefined) url = new URL(url.pathname + url.search, blobOrigin);
      if (downloadName !== undefined) url.searchParams.set('download', '1');
      return url.href;
    },

    async head(key) {
      const info = await find(key);
      return info && { sizeBytes: info.size };
    },

    async readStart(key, lengthBytes) {
      const chunks: Uint8Array[] = [];
      let received = 0;
      // Whoever does not know ranges sends everything: then the rest is left.
      for await (const chunk of await get(key, { Range: `bytes=0-${lengthBytes - 1}` })) {
        chunks.push(chunk as Uint8Array);
        received += (chunk as Uint8Array).byteLength;
        if (received >= lengthBytes) break;
      }
      return Buffer.concat(chunks).subarray(0, lengthBytes);
    },

    read: (key) => get(key),

    async write(key, bytes, contentType) {
      const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      await put(key, body, {
        ...auth,
        access,
        contentType,
        addRandomSuffix: false,
        allowOverwrite: true,
      });
    },

    async create(promise, source) {
      const { key, contentType } = promise;
      try {
        await put(key, Readable.from(verified(promise, source)), {
          ...auth,
          access,
          contentType,
          addRandomSuffix: false,
          allowOverwrite: false,
        });
        return true;
      } catch (error) {
        // The service has no code of its own for it; whether the object is there decides.
        if (error instanceof ChecksumError || !(await find(key))) throw error;
        return false;
      }
    },

    async delete(keys) {
      for (let start = 0; start < keys.length; start += DELETE_BATCH) {
        await del(keys.slice(start, start + DELETE_BATCH), auth);
      }
    },

    async list(prefix, after) {
      const page = await list({
        ...auth,
        prefix,
        limit: PAGE_ENTRIES,
        ...(after !== undefined && { cursor: after }),
      });
      const entries = page.blobs.map(({ pathname, size, uploadedAt }) => ({
        key: pathname,
        sizeBytes: size,
        modifiedAtMs: uploadedAt.getTime(),
      }));
      return page.hasMore && page.cursor !== undefined
        ? { entries, next: page.cursor }
        : { entries };
    },
  };
}

/** Where the official client sends, and so where its requests of ours go. */
function apiUrl(): string {
  return process.env.VERCEL_BLOB_API_URL || process.env.NEXT_PUBLIC_VERCEL_BLOB_API_URL || API_URL;
}
