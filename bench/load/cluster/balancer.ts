import {
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';

/** One that did not answer is left alone for so long. */
const DOWN_MS = 500;

export interface Balancer {
  readonly url: string;
  close(): Promise<void>;
}

interface Upstream {
  readonly port: number;
  downUntilMs: number;
}

/**
 * What stands before several instances: each request goes to the next one that is up. As a common load
 * balancer does, it passes a request on to another instance only where the first one took no connection;
 * one that dies in the middle is the client's to deal with.
 */
export async function startBalancer(
  ports: readonly number[],
  page: (request: Request) => Promise<Response | undefined>,
): Promise<Balancer> {
  const upstreams: Upstream[] = ports.map((port) => ({ port, downUntilMs: 0 }));
  let turn = 0;

  const next = (): Upstream[] => {
    turn += 1;
    const order = upstreams.map((_, at) => upstreams[(turn + at) % upstreams.length] as Upstream);
    const nowMs = performance.now();
    return order.sort((a, b) => Number(a.downUntilMs > nowMs) - Number(b.downUntilMs > nowMs));
  };

  const forward = (incoming: IncomingMessage, outgoing: ServerResponse, rest: Upstream[]) => {
    const [upstream, ...others] = rest;
    if (!upstream) {
      incoming.resume();
      outgoing.writeHead(503, { 'Retry-After': '1' }).end();
      return;
    }
    const { method, url, headers } = incoming;
    const passed = request({ host: '127.0.0.1', port: upstream.port, method, path: url, headers });
    let isConnected = false;
    passed.once('socket', (socket) => {
      const begin = () => {
        isConnected = true;
        pipeline(incoming, passed).catch(() => passed.destroy());
      };
      if (socket.connecting) socket.once('connect', begin);
      else begin();
    });
    passed.once('response', (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      pipeline(response, outgoing).catch(() => outgoing.destroy());
    });
    passed.once('error', () => {
      upstream.downUntilMs = performance.now() + DOWN_MS;
      if (!isConnected) forward(incoming, outgoing, others);
      else if (outgoing.headersSent) outgoing.destroy();
      else outgoing.writeHead(502).end();
    });
    outgoing.once('close', () => passed.destroy());
  };

  const server = createServer((incoming, outgoing) => {
    const { method = 'GET', url = '/' } = incoming;
    if (url.startsWith('/api/')) {
      forward(incoming, outgoing, next());
      return;
    }
    const headers = new Headers();
    if (incoming.headers.cookie) headers.set('cookie', incoming.headers.cookie);
    void answer(outgoing, page(new Request(`http://localhost${url}`, { method, headers })));
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://localhost:${port}`, close: () => shut(server) };
}

async function answer(outgoing: ServerResponse, page: Promise<Response | undefined>) {
  const response = (await page) ?? new Response('Not found', { status: 404 });
  outgoing.statusCode = response.status;
  for (const [name, value] of response.headers) outgoing.appendHeader(name, value);
  outgoing.end(Buffer.from(await response.arrayBuffer()));
}

function shut(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
