/**
 * The demo: the server kit on its embedded parts, and a page on the SDK.
 *
 *   PORT=3000  STORE_PORT=3001  BULKHEAD_DIR=.bulkhead  npm start
 */
import { constants, setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import {
  createEmbeddedServer,
  createLogger,
  DirectoryLockedError,
  type EmbeddedServer,
  type Listening,
} from '@bulkhead/server';
import { checkPorts, PortError, toPortError } from './ports.ts';
import { readSettings, type Settings, SettingsError } from './settings.ts';
import { createStatic } from './static.ts';
import { createVisitors, visitorSecret } from './visitor.ts';

const PAGE = fileURLToPath(new URL('./dist', import.meta.url));
/** This machine only: the demo has no accounts. */
const HOST = '127.0.0.1';
/** After a signal, what still runs is left behind: the queue brings it back at the next start. */
const MAX_STOP_MS = 5000;

/**
 * Here the page and the image work share one machine's cores: the page comes first. Threads inherit it,
 * so it is set before there are any.
 */
function stepBack(): void {
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // A system that does not let a process be polite runs the demo all the same.
  }
}

async function start(settings: Settings): Promise<EmbeddedServer> {
  stepBack();
  const { dataDir, maxFileBytes, port, rateLimit, storePort } = settings;
  await checkPorts(settings, HOST);
  const visitors = createVisitors(await visitorSecret(dataDir));
  const server = await createEmbeddedServer({
    dir: dataDir,
    authorize: async (request) => visitors.identify(request),
    limits: { maxFileBytes, ...rateLimit },
    // A page at localhost and a store at localhost are two origins: the ports differ.
    ...(storePort === 0 ? {} : { storeUrl: `http://localhost:${storePort}` }),
    logger: createLogger('warn'),
  });
  try {
    let listening: Listening | undefined;
    const storeOrigin = (): string =>
      storePort === 0 ? (listening?.storeUrl ?? '') : `http://localhost:${storePort}`;
    const page = createStatic({
      dir: PAGE,
      storeOrigin,
      values: { MAX_FILE_BYTES: String(maxFileBytes) },
    });
    const handler = async (request: Request): Promise<Response> => {
      const response = await page(request);
      if (response === undefined) return server.fetch(request);
      const isPage = new URL(request.url).pathname === '/';
      // Only a load of the page makes visitors, so that the calls it makes at once share one.
      if (isPage && visitors.identify(request) === null) {
        for (const cookie of visitors.welcome()) response.headers.append('Set-Cookie', cookie);
      }
      return response;
    };
    await server.start();
    listening = await server.listen({ apiPort: port, storePort, host: HOST, handler });
    const pageUrl = `http://localhost:${new URL(listening.apiUrl).port}`;
    console.log(
      `Bulkhead demo ready: ${pageUrl} (object store on ${storeOrigin()}, data in ${settings.dataDirShown})`,
    );
    return server;
  } catch (error) {
    await server.close();
    throw toPortError(error, settings) ?? error;
  }
}

/** The first signal ends the server in order, a second one at once. */
function stopOnSignal(starting: Promise<EmbeddedServer>): void {
  let isStopping = false;
  const stop = (): void => {
    if (isStopping) process.exit(1);
    isStopping = true;
    setTimeout(() => process.exit(0), MAX_STOP_MS).unref();
    starting
      .then((server) => server.close())
      .then(
        () => process.exit(0),
        (error: unknown) => {
          console.error(error);
          process.exit(1);
        },
      );
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
}

try {
  const starting = start(readSettings(process.env));
  stopOnSignal(starting);
  await starting;
} catch (error) {
  const isExpected =
    error instanceof PortError ||
    error instanceof SettingsError ||
    error instanceof DirectoryLockedError;
  console.error(isExpected ? error.message : error);
  process.exit(1);
}
