import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createBulkheadServer } from '../src/create-server.ts';
import { changeAssets, changed } from '../src/database/change-assets.ts';
import type { OpenDatabase } from '../src/database/open-database.ts';
import { openPostgresDatabase } from '../src/database/postgres-database.ts';
import { silentLogger } from '../src/logging.ts';
import { listen } from '../src/node-server.ts';
import { createPostgresDatabase } from './fixtures/databases.ts';
import { type EventReader, readEvents } from './fixtures/event-reader.ts';
import { memoryBlobStore } from './fixtures/memory-blob-store.ts';

vi.setConfig({ testTimeout: 60_000, expect: { poll: { timeout: 15_000 } } });

const ends: (() => Promise<unknown> | undefined)[] = [];
let url: string;
beforeEach(async () => {
  const created = await createPostgresDatabase();
  url = created.url;
  ends.push(created.drop);
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function openDatabase(): Promise<OpenDatabase> {
  const database = await openPostgresDatabase({ url, logger: silentLogger });
  ends.push(database.close);
  return database;
}

/** One instance of the API, with connections of its own. */
async function startInstance(limits: { heartbeatMs?: number } = {}) {
  const database = await openDatabase();
  const server = createBulkheadServer({
    database,
    blobStore: memoryBlobStore(),
    // biome-ignore lint/suspicious/noExplicitAny: never called
    queue: {} as any,
    authorize: async (request) => request.headers.get('x-user'),
    logger: silentLogger,
    limits: { coalesceMs: 20, heartbeatMs: 60_000, ...limits },
  });
  const store = async () => new Response();
  const listening = await listen({ api: server.fetch, store });
  ends.push(async () => {
    await server.close();
    await listening.close(100);
  });
  const watch = async (userId: string, lastEventId?: string): Promise<EventReader> => {
    const stream = await readEvents(`${listening.apiUrl}/api/sse/processing-updates`, {
      'x-user': userId,
      ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
    });
    await expect.poll(() => stream.progress().length).toBeGreaterThan(0);
    return stream;
  };
  return { database, server, watch };
}

async function addAsset({ db }: OpenDatabase, userId: string): Promise<string> {
  const id = randomUUID();
  await changeAssets(db, [userId], (tx) =>
    sql`insert into assets (id, user_id, key, filename, mime_type, size, checksum, search_words)
      values (${id}, ${userId}, 'u/x', 'a.jpg', 'image/jpeg', 1, ${id}, '')`.execute(tx),
  );
  return id;
}

const touch = ({ db }: OpenDatabase, userId: string) =>
  changeAssets(db, [userId], (tx) =>
    tx.updateTable('assets').set(changed()).where('user_id', '=', userId).execute(),
  );

/** A worker in another process, until it ends. */
async function work(userId: string, changes: number): Promise<void> {
  const script = join(import.meta.dirname, 'fixtures/notifying-process.ts');
  const args = ['--conditions=bulkhead-source', script, url, userId, String(changes)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  ends.push(async () => void child.kill('SIGKILL'));
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
}

const ended = (stream: EventReader) => {
  stream.close();
  return stream.ended;
};

test('69: a commit of one instance reaches the streams of another, and no other user’s', async () => {
  const [one, two] = [await startInstance(), await startInstance()];
  const [ada, grace] = await Promise.all([two.watch('ada'), two.watch('grace')]);
  const startedMs = performance.now();
  const id = await addAsset(one.database, 'ada');
  one.server.changes.changed(['ada']);
  await expect.poll(() => ada.changes()).toMatchObject([{ id, stage: 'processing' }]);
  await expect.poll(() => ada.progress().at(-1)?.event).toMatchObject({ stats: { total: 1 } });
  // Far below a heartbeat, which is a minute here.
  expect(performance.now() - startedMs).toBeLessThan(5000);
  expect(grace.events).toHaveLength(1);
  await Promise.all([ada, grace].map(ended));
});

test('70: changes of two worker processes arrive in order, none twice, the last one too', async () => {
  const { database, watch } = await startInstance();
  for (let n = 0; n < 5; n++) await addAsset(database, 'ada');
  const stream = await watch('ada');
  await Promise.all([work('ada', 40), work('ada', 40)]);
  const newest = await database.db
    .selectFrom('assets')
    .select(['id', 'version'])
    .orderBy('version')
    .execute();
  await expect.poll(() => stream.changes().at(-1)?.version).toBe(Number(newest.at(-1)?.version));
  const versions = stream.changes().map(({ version }) => version);
  expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
  const last = new Map(stream.changes().map(({ id, version }) => [id, version]));
  expect(last).toEqual(new Map(newest.map(({ id, version }) => [id, version])));
  expect(stream.lastId()).toBe(String(newest.at(-1)?.version));
  await ended(stream);
});

test('69: what a connection for notifications missed while it was cut is sent when it is back', async () => {
  const { database, watch } = await startInstance();
  const writer = await openDatabase();
  const stream = await watch('ada');
  const id = await addAsset(writer, 'ada');
  // Nobody is told of it: only the reconnect, or a heartbeat in a minute, can find it.
  const { rows } = await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name = 'bulkhead-signals'`.execute(
    database.db,
  );
  expect(rows).toHaveLength(1);
  await expect.poll(() => stream.changes().map((change) => change.id)).toEqual([id]);
  await ended(stream);
});

test('69: a notification that was lost is made up for by the next heartbeat', async () => {
  const { watch } = await startInstance({ heartbeatMs: 100 });
  const writer = await openDatabase();
  const [ada, grace] = await Promise.all([watch('ada'), watch('grace')]);
  const id = await addAsset(writer, 'ada');
  await expect.poll(() => ada.changes().map((change) => change.id)).toEqual([id]);
  await expect.poll(() => ada.progress().at(-1)?.event).toMatchObject({ stats: { total: 1 } });
  await touch(writer, 'ada');
  await expect.poll(() => ada.changes().length).toBe(2);
  expect(grace.events).toHaveLength(1);
  await Promise.all([ada, grace].map(ended));
});

test('69: a reader that comes back to another instance goes on where it was', async () => {
  const [one, two] = [await startInstance(), await startInstance()];
  const first = await one.watch('ada', '0');
  const a = await addAsset(one.database, 'ada');
  one.server.changes.changed(['ada']);
  await expect.poll(() => first.changes().length).toBe(1);
  const lastId = first.lastId();
  await ended(first);
  const b = await addAsset(one.database, 'ada');
  one.server.changes.changed(['ada']);
  const second = await two.watch('ada', lastId);
  expect(second.changes().map(({ id }) => id)).toEqual([b]);
  expect(a).not.toBe(b);
  await ended(second);
});
