import pg from 'pg';
import type { Logger } from '../logging.ts';
import type { Signals } from './signals.ts';

export interface PostgresSignals extends Signals {
  close(): Promise<void>;
}

const FIRST_RETRY_MS = 200;
const MAX_RETRY_MS = 10_000;
/** A connection that a network dropped in silence is noticed within this. */
const KEEP_ALIVE_MS = 10_000;

interface Listener {
  readonly channel: string;
  readonly onMessage: (payload: string) => void;
  readonly onReconnect: () => void;
}

/**
 * LISTEN/NOTIFY on a connection of its own, opened at the first `listen` and opened again whenever it is
 * lost. It must be a session: behind a transaction pooler nothing is heard.
 */
export function createPostgresSignals(
  pool: pg.Pool,
  connectionString: string,
  logger: Logger,
): PostgresSignals {
  const listeners = new Set<Listener>();
  let client: pg.Client | undefined;
  let connecting: Promise<pg.Client> | undefined;
  let retryTimer: NodeJS.Timeout | undefined;
  let retryMs = FIRST_RETRY_MS;
  let isClosed = false;

  const lose = (lost: pg.Client, cause?: unknown) => {
    if (client !== lost) return;
    client = undefined;
    lost.end().catch(() => {});
    if (isClosed || listeners.size === 0) return;
    logger.warn({ err: cause, retryMs }, 'The connection for notifications was lost');
    reconnectLater();
  };

  const reconnectLater = () => {
    if (retryTimer !== undefined || isClosed) return;
    retryTimer = setTimeout(() => {
      retryTimer = undefined;
      retryMs = Math.min(MAX_RETRY_MS, retryMs * 2);
      connect().then(
        () => {
          for (const { onReconnect } of listeners) onReconnect();
        },
        (error: unknown) => {
          logger.warn({ err: error, retryMs }, 'Notifications cannot be heard yet');
          reconnectLater();
        },
      );
    }, retryMs);
    retryTimer.unref();
  };

  const open = async (): Promise<pg.Client> => {
    const opened = new pg.Client({
      connectionString,
      application_name: 'bulkhead-signals',
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    });
    opened.on('error', (error) => lose(opened, error));
    opened.on('end', () => lose(opened));
    opened.on('notification', ({ channel, payload = '' }) => {
      for (const listener of listeners)
        if (listener.channel === channel) listener.onMessage(payload);
    });
    try {
      await opened.connect();
      // Channels that are added from here on see that `client` is there.
      client = opened;
      for (const channel of new Set([...listeners].map((listener) => listener.channel))) {
        await opened.query(`listen ${pg.escapeIdentifier(channel)}`);
      }
    } catch (error) {
      if (client === opened) client = undefined;
      await opened.end().catch(() => {});
      throw error;
    }
    if (isClosed) await opened.end();
    retryMs = FIRST_RETRY_MS;
    return opened;
  };

  const connect = (): Promise<pg.Client> => {
    connecting ??= open().finally(() => {
      connecting = undefined;
    });
    return connecting;
  };

  return {
    async send(channel, payload) {
      await pool.query('select pg_notify($1, $2)', [channel, payload]);
    },

    async listen(channel, onMessage, onReconnect = () => {}) {
      const listener: Listener = { channel, onMessage, onReconnect };
      const isFirst = ![...listeners].some((other) => other.channel === channel);
      listeners.add(listener);
      try {
        const hasConnected = client !== undefined;
        const connected = client ?? (await connect());
        if (hasConnected && isFirst) {
          await connected.query(`listen ${pg.escapeIdentifier(channel)}`);
        }
      } catch (error) {
        listeners.delete(listener);
        throw error;
      }
      return async () => {
        listeners.delete(listener);
        if ([...listeners].some((other) => other.channel === channel)) return;
        await client?.query(`unlisten ${pg.escapeIdentifier(channel)}`).catch(() => {});
      };
    },

    async close() {
      isClosed = true;
      clearTimeout(retryTimer);
      listeners.clear();
      await connecting?.catch(() => {});
      const last = client;
      client = undefined;
      await last?.end();
    },
  };
}
