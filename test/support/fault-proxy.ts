import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What happens to the next request that carries bytes. */
export type ProxyFault =
  /** It is passed on, and its answer never comes back. */
  | { readonly kind: 'lose-answer' }
  /** The connection breaks after so many bytes of its body. */
  | { readonly kind: 'break'; readonly afterBytes: number }
  /** It is answered by the proxy, with that status. */
  | { readonly kind: 'answer'; readonly status: number; readonly headers?: Record<string, string> };

export interface FaultProxy {
  readonly url: string;
  /** Bytes of all bodies that came since the last reset. */
  readonly receivedBytes: number;
  /** Method and path of the requests since the last reset. */
  readonly requests: readonly string[];
  /** How often browsers asked whether they may send, since the last reset. */
  readonly preflights: number;
  /** For the next requests that carry bytes, one each. */
  plan(faults: readonly ProxyFault[]): void;
  /** Of every body, in total; 0 for no limit. */
  limit(bytesPerSecond: number): void;
  reset(): void;
  close(): Promise<void>;
}

/** Smaller bodies are metadata. */
const CARRIES_BYTES = 1_000;

/**
 * Stands between a page and a backend: passes everything on under the same Host (signatures hold), lets pages
 * of all origins see the answers, and disturbs requests as it is told.
 */
export async function startFaultProxy(targetUrl: string): Promise<FaultProxy> {
  const target = new URL(targetUrl);
  let faults: ProxyFault[] = [];
  let bytesPerSecond = 0;
  let receivedBytes = 0;
  let requests: string[] = [];
  let preflights = 0;
  /** Under way: a page's cancelled body may still lie in the system's buffers. */
  const underWay = new Set<() => void>();

  const handle = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    allowEveryPage(incoming, outgoing);
    if (incoming.method === 'OPTIONS' && incoming.headers['access-control-request-method']) {
      preflights += 1;
      outgoing.writeHead(204).end();
      return;
    }
    requests.push(`${incoming.method} ${incoming.url}`);
    const isBytes = Number(incoming.headers['content-length'] ?? 0) >= CARRIES_BYTES;
    const fault = isBytes ? faults.shift() : undefined;
    if (fault?.kind === 'answer') {
      incoming.resume();
      incoming.on('end', () => outgoing.writeHead(fault.status, fault.headers).end());
      return;
    }
    const { hostname, port } = target;
    const { method, url: path, headers } = incoming;
    const upstream = request({ hostname, port, method, path, headers });
    const drop = () => {
      incoming.destroy();
      upstream.destroy();
      outgoing.destroy();
    };
    underWay.add(drop);
    outgoing.on('close', () => underWay.delete(drop));
    incoming.on('close', () => {
      // The page went away amid its body: the backend must not wait for the rest.
      if (!incoming.complete) upstream.destroy();
    });
    upstream.on('error', () => {
      if (!outgoing.headersSent) outgoing.destroy();
    });
    upstream.on('response', (answer) => {
      if (fault?.kind === 'lose-answer') {
        answer.resume();
        answer.on('end', () => outgoing.destroy());
        return;
      }
      answer.on('error', () => outgoing.destroy());
      outgoing.writeHead(answer.statusCode ?? 502, withoutCors(answer.headers));
      answer.pipe(outgoing);
    });
    let ownBytes = 0;
    incoming.on('data', (chunk: Buffer) => {
      ownBytes += chunk.length;
      receivedBytes += chunk.length;
      if (fault?.kind === 'break' && ownBytes >= fault.afterBytes) {
        incoming.destroy();
        upstream.destroy();
        return;
      }
      upstream.write(chunk);
      if (bytesPerSecond === 0) return;
      incoming.pause();
      setTimeout(() => incoming.resume(), (chunk.length * 1_000) / bytesPerSecond).unref();
    });
    incoming.on('end', () => upstream.end());
  };

  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get receivedBytes() {
      return receivedBytes;
    },
    get requests() {
      return requests;
    },
    get preflights() {
      return preflights;
    },
    plan(next) {
      faults = [...next];
    },
    limit(next) {
      bytesPerSecond = next;
    },
    reset() {
      for (const drop of underWay) drop();
      faults = [];
      bytesPerSecond = 0;
      receivedBytes = 0;
      requests = [];
      preflights = 0;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The answers of some stores to failures lack these, and then a page sees no more than a broken connection. */
function allowEveryPage({ headers }: IncomingMessage, outgoing: ServerResponse): void {
  outgoing.setHeader('access-control-allow-origin', '*');
  outgoing.setHeader('access-control-expose-headers', 'etag, location, upload-offset, retry-after');
  outgoing.setHeader('access-control-allow-methods', 'GET, HEAD, POST, PUT, PATCH, DELETE');
  const asked = headers['access-control-request-headers'];
  if (asked) outgoing.setHeader('access-control-allow-headers', asked);
}

function withoutCors(headers: IncomingMessage['headers']): IncomingMessage['headers'] {
  const own = Object.entries(headers).filter(([name]) => !name.startsWith('access-control-'));
  return Object.fromEntries(own);
}
