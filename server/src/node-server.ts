import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import type { UpgradeHandler } from './events/web-socket.ts';
import { keepPeerAddress } from './rate-limit/peer-address.ts';

/** Above the 60 s of common load balancers, which must be the ones to close an idle connection. */
const KEEP_ALIVE_MS = 65_000;
const HEADERS_MS = 30_000;
/** A JSON body is small; an upload may take as long as the line needs. */
const API_REQUEST_MS = 120_000;
/** How often the two above are looked at; Node's own 30 s would double them. */
const TIMEOUT_CHECK_MS = 1000;
/** A connection on which nothing moves at all. */
const STALLED_MS = 120_000;
/** While it closes. */
const IDLE_CHECK_MS = 50;

export interface ListenOptions {
  /** Default 0: any free port. */
  apiPort?: number | undefined;
  storePort?: number | undefined;
  /** Default 127.0.0.1: nobody else on the network. */
  host?: string | undefined;
  /** How long the headers of a request may take. Default 30 s; then the connection is closed. */
  headersTimeoutMs?: number | undefined;
  /**
   * How long a whole request to the API may take to arrive. Default 120 s: 2 MB, the most that is
   * taken, by a line of 17 KB/s. Uploads to the store have no such limit.
   */
  apiRequestTimeoutMs?: number | undefined;
}

/** @inline */
type Handler = (request: Request, node: { incoming: IncomingMessage }) => Promise<Response>;

/** What answers: the API, and the store of this machine. */
export interface Handlers {
  api: Handler;
  store: Handler;
  /** WebSockets on the API's origin, by `createWebSocketUpgrade`. Without it there are none. */
  upgrade?: UpgradeHandler | undefined;
}

/** A server with what it handed over: node:http forgets upgraded connections. */
interface Serving {
  server: Server;
  upgraded: Set<Duplex>;
}

/** Both origins, on node:http. */
export interface Listening {
  apiUrl: string;
  storeUrl: string;
  /**
   * Takes no more connections, closes the idle ones, and lets requests that run finish for
   * `graceMs` (default 2 s); what is left then is cut off. Event streams must be ended before, or they
   * take all of it.
   */
  close(graceMs?: number): Promise<void>;
}

/** Serves the API and the object store, each on a port of its own. */
export async function listen(handlers: Handlers, options: ListenOptions = {}): Promise<Listening> {
  const { storePort = 0, host = '127.0.0.1', headersTimeoutMs = HEADERS_MS } = options;
  const store = createHttpServer(handlers.store, headersTimeoutMs, 0);
  const storeUrl = await open(store.server, storePort, host);
  try {
    const api = await listenApi(handlers, options);
    return {
      apiUrl: api.apiUrl,
      storeUrl,
      async close(graceMs = 2000) {
        await Promise.all([api.close(graceMs), shut(store, graceMs)]);
      },
    };
  } catch (error) {
    await shut(store, 0);
    throw error;
  }
}

/** Serves the API alone: the store is elsewhere. */
export async function listenApi(
  handlers: Pick<Handlers, 'api' | 'upgrade'>,
  options: ListenOptions = {},
): Promise<Pick<Listening, 'apiUrl' | 'close'>> {
  const { apiPort = 0, host = '127.0.0.1' } = options;
  const { headersTimeoutMs = HEADERS_MS, apiRequestTimeoutMs = API_REQUEST_MS } = options;
  const { api: handler, upgrade } = handlers;
  const api = createHttpServer(handler, headersTimeoutMs, apiRequestTimeoutMs, upgrade);
  const apiUrl = await open(api.server, apiPort, host);
  return { apiUrl, close: (graceMs = 2000) => shut(api, graceMs) };
}

function createHttpServer(
  handler: Handler,
  headersTimeout: number,
  requestTimeout: number,
  upgrade?: UpgradeHandler,
): Serving {
  // Bodies that a handler leaves unread are drained by the handler (see `RequestBody`): the adapter
  // would cut the connection half a second after the answer, which loses the answer on slow lines.
  const listener = getRequestListener(
    (request, node) => {
      const { incoming } = node as { incoming: IncomingMessage };
      keepPeerAddress(request, incoming.socket.remoteAddress);
      return handler(request, { incoming });
    },
    {
      overrideGlobalObjects: false,
      autoCleanupIncoming: false,
    },
  );
  const server = createServer(
    {
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      headersTimeout,
      requestTimeout,
    },
    (incoming, outgoing) => void listener(incoming, outgoing),
  );
  server.timeout = STALLED_MS;
  const upgraded = new Set<Duplex>();
  if (upgrade) {
    server.on('upgrade', (incoming, socket, head) => {
      upgraded.add(socket);
      socket.once('close', () => upgraded.delete(socket));
      void upgrade(incoming, socket, head);
    });
  }
  return { server, upgraded };
}

function open(server: Server, port: number, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const { port: bound } = server.address() as AddressInfo;
      resolve(`http://${host.includes(':') ? `[${host}]` : host}:${bound}`);
    });
  });
}

function shut({ server, upgraded }: Serving, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => {
      server.closeAllConnections();
      for (const socket of upgraded) socket.destroy();
    }, graceMs);
    // A connection whose request has just been answered is idle now, and would be kept for more.
    const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
    server.close(() => {
      clearTimeout(force);
      clearInterval(idle);
      resolve();
    });
    server.closeIdleConnections();
  });
}
