/**
 * The server that the bench measures, in a process of its own. It is told what to do by messages:
 * `change` makes one, `usage` answers memory and processor time, `stop` ends it.
 */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { createBulkheadServer } from '../../server/src/create-server.ts';
import { changeAssets, changed } from '../../server/src/database/change-assets.ts';
import { openEmbeddedDatabase } from '../../server/src/database/embedded-database.ts';
import { openPostgresDatabase } from '../../server/src/database/postgres-database.ts';
import { createChangeNotifier } from '../../server/src/events/change-notifier.ts';
import { silentLogger as logger } from '../../server/src/logging.ts';
import { listen } from '../../server/src/node-server.ts';
import { memoryBlobStore } from '../../server/test/fixtures/memory-blob-store.ts';

export type Order = { do: 'change'; userId: string } | { do: 'usage' } | { do: 'stop' };
export type Report =
  | { said: 'ready'; apiUrl: string; engine: string }
  | { said: 'changed'; atMs: number }
  | { said: 'usage'; rssBytes: number; heapBytes: number; cpuMs: number };

const HEARTBEAT_MS = 15_000;
const { BENCH_USERS = '100', BENCH_STREAMS = '1000', DATABASE_URL } = process.env;
/** A process that only changes what another one's streams show. */
const isWriter = process.env.BENCH_WRITER === '1';
const users = Number(BENCH_USERS);
const say = (report: Report) => process.send?.(report);

const database = DATABASE_URL
  ? await openPostgresDatabase({ url: DATABASE_URL, logger })
  : await openEmbeddedDatabase('memory');
const { db } = database;
const server = createBulkheadServer({
  database,
  blobStore: memoryBlobStore(),
  queue: {
    enqueue: async () => {},
    work: async () => {},
    drain: async () => 0,
    depth: async () => 0,
    pending: async () => new Set(),
    start: async () => {},
    stop: async () => {},
  },
  authorize: async (request) => request.headers.get('x-user'),
  logger,
  limits: {
    heartbeatMs: HEARTBEAT_MS,
    maxStreams: Number(BENCH_STREAMS),
    maxStreamsPerUser: Math.ceil(Number(BENCH_STREAMS) / users),
  },
});
const changes = isWriter ? createChangeNotifier(database.signals, { logger }) : server.changes;
const listening = await listen({ api: server.fetch, store: async () => new Response() });
if (!isWriter) {
  for (let user = 0; user < users; user++) {
    const id = randomUUID();
    await sql`insert into assets (id, user_id, key, filename, mime_type, size, checksum, search_words)
      values (${id}, ${`bench-${user}`}, 'u/x', 'a.jpg', 'image/jpeg', 1, ${id}, '')`.execute(db);
  }
}

process.on('message', async (order: Order) => {
  if (order.do === 'change') {
    await changeAssets(db, [order.userId], (tx) =>
      tx.updateTable('assets').set(changed()).where('user_id', '=', order.userId).execute(),
    );
    const atMs = performance.timeOrigin + performance.now();
    changes.changed([order.userId]);
    say({ said: 'changed', atMs });
  } else if (order.do === 'usage') {
    // What is garbage is no cost of a stream.
    globalThis.gc?.();
    const { rss, heapUsed, external } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    say({
      said: 'usage',
      rssBytes: rss,
      heapBytes: heapUsed + external,
      cpuMs: (user + system) / 1000,
    });
  } else {
    await server.close();
    await listening.close(500);
    if (!isWriter) await sql`delete from assets where user_id like 'bench-%'`.execute(db);
    await database.close();
    process.exit(0);
  }
});
// A bench that failed leaves nobody behind.
process.once('disconnect', () => process.exit(1));
say({
  said: 'ready',
  apiUrl: listening.apiUrl,
  engine: DATABASE_URL ? 'PostgreSQL, changed by another process' : 'embedded database',
});
