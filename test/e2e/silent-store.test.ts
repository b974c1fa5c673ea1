import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type * as Bulkhead from '../../src/index.ts';
import { ENGINES, Engine } from '../support/engines.ts';

declare const window: Window & { Bulkhead: typeof Bulkhead };

const SCRIPT = path.resolve(import.meta.dirname, '../../dist/bulkhead.global.js');

/** A page and its store on one origin; the store takes every byte and closes without an answer. */
async function startSite(): Promise<Server> {
  const server = createServer(async (request, response) => {
    if (request.method === 'PUT') {
      for await (const _ of request);
      request.socket.destroy();
    } else if (request.url === '/bulkhead.global.js') {
      response.end(await readFile(SCRIPT));
    } else {
      response.setHeader('content-type', 'text/html; charset=utf-8');
      response.end('<!doctype html><script src="/bulkhead.global.js"></script>');
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

describe.each(ENGINES)('in %s', (name) => {
  let server: Server;
  let engine: Engine;
  beforeAll(async () => {
    server = await startSite();
    engine = await Engine.create(name);
  });
  afterAll(async () => {
    await engine?.close();
    server?.closeAllConnections();
    server?.close();
  });

  it('a store on the page’s own origin that closes without an answer leaves the PUT unknown', async () => {
    const page = await engine.open(`http://localhost:${(server.address() as AddressInfo).port}/`);
    const outcome = await page.evaluate(async () => {
      const credential = {
        method: 'PUT',
        uploadUrl: '/store/photo.jpg',
        pathname: 'photo.jpg',
        headers: {},
        assetId: 'asset',
        expiresAt: '2100-01-01T00:00:00Z',
        expiresInMs: 60_000,
      } as const;
      const { bulkheadAdapter } = window.Bulkhead;
      const { signal } = new AbortController();
      const body = new Blob([new Uint8Array(100_000)]);
      const upload = {
        ...{ id: 'upload', name: 'photo.jpg', path: 'photo.jpg', mimeType: 'image/jpeg' },
        ...{ sizeBytes: body.size, checksum: '0'.repeat(64) },
      };
      return bulkheadAdapter().put({ upload, credential, body, signal, onProgress() {} });
    });
    expect(outcome).toBe('lost');
  });
});
