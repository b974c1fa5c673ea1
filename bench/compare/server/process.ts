/**
 * The neutral server as a process of its own: an API and a store, each on an origin of its own. It keeps
 * nothing but counts. `neutral-server.ts` starts it and talks to it.
 */
import { createServer } from 'node:http';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';
import { type AnyResponse, Exchange, type RunWorld } from './exchange.ts';
import type { FromServer, PageFiles, ToServer } from './messages.ts';
import { route } from './routes.ts';
import { Tally } from './tally.ts';

/** Windows as servers meant for uploads have them: Node's own 64 KB would be what is measured. */
const STREAM_WINDOW_BYTES = 4 * 1024 * 1024;
const SESSION_WINDOW_BYTES = 32 * 1024 * 1024;
/** Connections stay open between two requests, however long a page thinks. */
const KEEP_ALIVE_MS = 120_000;

type AnyRequest = Readable & {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: Exchange['headers'];
};

let world: RunWorld = newRun({ delayMs: 0, intake: 'puts', storeUrl: '' });
let page: PageFiles = {};
let cpuBefore = process.cpuUsage();

function newRun(settings: Pick<RunWorld, 'delayMs' | 'intake' | 'storeUrl'>): RunWorld {
  return { ...settings, tally: new Tally(), reservations: new Map(), tusUploads: new Map() };
}

function handlerOf(origin: 'api' | 'store') {
  return (request: AnyRequest, response: AnyResponse): void => {
    const { method = 'GET', url: target = '/', headers } = request;
    const exchange = new Exchange({
      ...{ method, target, headers, response },
      ...{ body: request, world },
    });
    const file = origin === 'api' && method === 'GET' ? page[exchange.path] : undefined;
    if (file) {
      exchange.answer(200, { 'content-type': file.type }, file.text);
      return;
    }
    route(origin, exchange).catch((error: unknown) => {
      // A page that is closed cuts its requests off; anything else is this server's fault.
      if (request.destroyed && !request.readableEnded) return;
      console.error(error);
      exchange.answer(500, {}, String(error));
    });
  };
}

function listen(
  origin: 'api' | 'store',
  tls: { key: string; cert: string } | undefined,
): Promise<string> {
  const handle = handlerOf(origin);
  const server = tls
    ? createSecureServer({ ...tls, settings: { initialWindowSize: STREAM_WINDOW_BYTES } }, handle)
    : createServer({ keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0 }, handle);
  if (tls) {
    server.on('session', (session) => session.setLocalWindowSize(SESSION_WINDOW_BYTES));
  }
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      resolve(`${tls ? 'https' : 'http'}://localhost:${port}`);
    });
  });
}

function tell(message: FromServer): void {
  process.send?.(message);
}

process.on('message', async (message: ToServer) => {
  switch (message.type) {
    case 'listen': {
      page = message.page;
      const apiUrl = await listen('api', message.tls);
      const storeUrl = await listen('store', message.tls);
      tell({ type: 'listening', apiUrl, storeUrl });
      break;
    }
    case 'begin':
      world = newRun(message);
      cpuBefore = process.cpuUsage();
      tell({ type: 'begun' });
      break;
    case 'ask': {
      const { user, system } = process.cpuUsage(cpuBefore);
      const cpuSeconds = (user + system) / 1e6;
      tell({ type: 'arrived', arrivals: world.tally.arrivals(), cpuSeconds });
    }
  }
});
// Whoever started it is gone, in whatever way.
process.once('disconnect', () => process.exit());
