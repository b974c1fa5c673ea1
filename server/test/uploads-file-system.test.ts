import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlobStore } from '../src/blobs/blob-store.ts';
import { createFileSystemStore } from '../src/blobs/file-system-store.ts';
import { listen } from '../src/node-server.ts';
import { describeUploads } from './fixtures/describe-uploads.ts';
import { SECRET } from './fixtures/test-server.ts';

describeUploads('the file system', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'bulkhead-uploads-'));
  let url = '';
  const store = await createFileSystemStore({ dir, publicUrl: () => url, secret: SECRET });
  const listening = await listen({ api: store.fetch, store: store.fetch });
  url = listening.storeUrl;
  const fail = async () => {
    throw new Error(`EIO: ${dir} cannot be read`);
  };
  const broken: BlobStore = { ...store, head: fail, list: fail, ping: fail };
  return {
    store,
    broken,
    secrets: [SECRET],
    async close() {
      await listening.close(100);
      await rm(dir, { recursive: true });
    },
  };
});
