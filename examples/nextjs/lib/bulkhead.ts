import {
  type BlobStore,
  type BulkheadServer,
  createBulkheadServer,
  createLocalVisualEmbedder,
  createLogger,
  createPgBossQueue,
  createWorkers,
  openPostgresDatabase,
  type Workers,
} from '@bulkhead/server';
import { userOf } from './session';

/** One for each instance of the function, over its requests; and, in development, over edits of this file. */
const instance: { bulkhead?: Promise<BulkheadServer> } = globalThis as object;

export function bulkhead(): Promise<BulkheadServer> {
  instance.bulkhead ??= open().catch((error: unknown) => {
    delete instance.bulkhead;
    throw error;
  });
  return instance.bulkhead;
}

async function open(): Promise<BulkheadServer> {
  if (process.env.NODE_ENV === 'development' && !process.env.DATABASE_URL) {
    return (await import('./local')).openLocal();
  }
  // Functions are many and short: few connections each.
  const database = await openPostgresDatabase({ url: required('DATABASE_URL'), maxConnections: 3 });
  const blobStore = await openStore();
  const embedder = createLocalVisualEmbedder();
  const logger = createLogger();
  const queue = createPgBossQueue({ database, logger });
  await queue.start();
  const server = createBulkheadServer({
    ...{ database, blobStore, queue, embedder, logger },
    authorize: async (request) => userOf(request),
    // vercel.json calls these every minute: nothing lives between two calls that could work.
    cron: {
      secret: process.env.CRON_SECRET,
      run: (name, bounds) => workers.slice(name, bounds),
    },
  });
  const workers: Workers = createWorkers({
    ...{ database, queue, blobs: blobStore, embedder, logger, changes: server.changes },
    // A function is its own process already.
    decode: 'inline',
  });
  return server;
}

async function openStore(): Promise<BlobStore> {
  if (process.env.BLOB_READ_WRITE_TOKEN) {
    const { createVercelBlobStore } = await import('@bulkhead/server/vercel-blob');
    return createVercelBlobStore({ token: process.env.BLOB_READ_WRITE_TOKEN });
  }
  const { createS3Store } = await import('@bulkhead/server/s3');
  return createS3Store({
    bucket: required('S3_BUCKET'),
    ...(process.env.S3_ENDPOINT && { endpoint: process.env.S3_ENDPOINT }),
    ...(process.env.S3_REGION && { region: process.env.S3_REGION }),
    createOnly: process.env.S3_CREATE_ONLY !== 'false',
    verifiesChecksums: process.env.S3_VERIFIES_CHECKSUMS === 'true',
  });
}

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: see the README of this example`);
  return value;
}
