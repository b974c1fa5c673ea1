import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    storeUrl: string;
  }
}

/** What the store did with one key, for tests to ask. */
interface Seen {
  requests: number;
  checksum: string | null;
  type: string | undefined;
}

const seen = new Map<string, Seen>();

/**
 * A store that fails as its URL says: `PUT /key?plan=…` with `ok`, `status:503`, `reset-mid-body`,
 * `reset-after-body`, `hang-mid-body` or `hang-after-body`. `GET /key` tells what arrived.
 */
async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://store');
  const plan = url.searchParams.get('plan') ?? 'ok';
  response.setHeader('access-control-allow-origin', '*');
  response.setHeader('access-control-allow-headers', 'content-type');
  response.setHeader('access-control-allow-methods', 'PUT, GET');
  response.setHeader('access-control-expose-headers', 'retry-after');
  if (request.method === 'OPTIONS') {
    response.writeHead(204).end();
    return;
  }
  const record = seen.get(url.pathname) ?? { requests: 0, checksum: null, type: undefined };
  if (request.method === 'GET') {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(record));
    return;
  }
  seen.set(url.pathname, record);
  record.requests += 1;
  record.type = request.headers['content-type'];
  const hash = createHash('sha256');
  for await (const chunk of request) {
    hash.update(chunk as Buffer);
    if (plan === 'reset-mid-body') {
      request.socket.resetAndDestroy();
      return;
    }
    // Not reading on fills the socket's buffers: the browser's upload stands still.
    if (plan === 'hang-mid-body') await new Promise(() => {});
  }
  record.checksum = hash.digest('hex');
  if (plan === 'reset-after-body') {
    request.socket.resetAndDestroy();
    return;
  }
  if (plan === 'hang-after-body') return;
  const status = plan.startsWith('status:') ? Number(plan.slice('status:'.length)) : 201;
  const retryAfter = url.searchParams.get('retry-after');
  if (retryAfter) response.setHeader('retry-after', retryAfter);
  response.writeHead(status).end();
}

/** Starts the store for the whole run and ends it after. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = createServer((request, response) => {
    // A connection that was reset on purpose is no failure of the store.
    handle(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  project.provide('storeUrl', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
}
