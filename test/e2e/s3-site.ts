import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { CreateBucketCommand, DeleteBucketCommand, S3Client } from '@aws-sdk/client-s3';
import type { Page } from 'playwright';
import { findOrStartS3 } from '../../scripts/swift.mjs';
import type { S3StoreOptions } from '../../server/src/blobs/s3-options.ts';
import { createS3Store, type S3Store } from '../../server/src/blobs/s3-store.ts';
import { startTestServer, type TestServer } from '../../server/test/fixtures/test-server.ts';
import type * as Bulkhead from '../../src/index.ts';
import type { Uploader } from '../../src/index.ts';
import { startPostPolicyGateway } from '../support/post-policy-gateway.ts';

declare const window: Window & { Bulkhead: typeof Bulkhead; uploader: Uploader };

const SCRIPT = path.resolve(import.meta.dirname, '../../dist/bulkhead.global.js');
const HTML = `<!doctype html>
<meta charset="utf-8">
<title>Uploads to S3</title>
<input id="files" type="file" multiple autocomplete="off">
<script src="/bulkhead.global.js"></script>
<script>
  document.querySelector('input').onchange = ({ target }) => window.uploader.add([...target.files]);
</script>`;

/** A page, the server kit and a bucket of a real S3 server, each with an origin of its own. */
export interface S3Site {
  readonly url: string;
  /** Where the page sends bytes to. */
  readonly storeUrl: string;
  readonly app: TestServer;
  readonly store: S3Store;
  readonly client: S3Client;
  readonly bucket: string;
  /** Makes the page's uploader, and resumes what an earlier page began. */
  start(page: Page): Promise<void>;
  /** What is in the library. */
  assets(): Promise<{ filename: string; size: number; checksum: string }[]>;
  close(): Promise<void>;
}

/** @param options `formsUpToBytes`: the bucket is behind a gateway that takes forms */
export async function startS3Site(options: Partial<S3StoreOptions> = {}): Promise<S3Site> {
  const { endpoint, region, accessKeyId, secretAccessKey, isSwift, stop } = await findOrStartS3();
  const bucket = `bulkhead-test-${randomUUID()}`;
  // The SDK writes into the one that it is given.
  const credentials = () => ({ accessKeyId, secretAccessKey });
  const client = new S3Client({
    endpoint,
    region,
    credentials: credentials(),
    forcePathStyle: true,
  });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  const keys = { bucket, accessKeyId, secretAccessKey };
  const gateway = options.formsUpToBytes
    ? await startPostPolicyGateway(endpoint, client, keys)
    : undefined;
  const storeUrl = gateway?.url ?? endpoint;
  const store = createS3Store({
    ...{ bucket, endpoint, region, credentials: credentials(), createOnly: !isSwift },
    ...{ publicEndpoint: storeUrl, ...options },
  });
  const site = createServer(async (request, response) => {
    const isScript = request.url === '/bulkhead.global.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(isScript ? await readFile(SCRIPT) : HTML);
  });
  site.listen(0, '127.0.0.1');
  await once(site, 'listening');
  const url = `http://localhost:${(site.address() as AddressInfo).port}`;
  const app = await startTestServer({
    blobStore: store,
    authorize: async () => 'ada',
    allowedOrigins: [url],
  });

  return {
    ...{ url, storeUrl, app, store, client, bucket },
    start: (page) =>
      page.evaluate(async (baseUrl) => {
        const { createUploader, bulkheadAdapter } = window.Bulkhead;
        window.uploader = createUploader({ adapter: bulkheadAdapter({ baseUrl }) });
        for (const { id, state } of await window.uploader.sessions.refresh()) {
          if (state === 'interrupted') await window.uploader.sessions.resume(id);
        }
      }, app.apiUrl),
    assets: () =>
      app.database.db.selectFrom('assets').select(['filename', 'size', 'checksum']).execute(),
    async close() {
      await app.close();
      site.closeAllConnections();
      site.close();
      const { entries } = await store.list('u/');
      await store.delete(entries.map(({ key }) => key));
      await client.send(new DeleteBucketCommand({ Bucket: bucket }));
      await gateway?.close();
      store.close();
      client.destroy();
      await stop();
    },
  };
}
