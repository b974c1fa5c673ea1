import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type EventReader, readEvents } from './fixtures/event-reader.ts';
import { jpeg, startTestServer, type TestServer, type TestUser } from './fixtures/test-server.ts';

let app: TestServer;
const open = new Set<EventReader>();
beforeAll(async () => {
  app = await startTestServer({
    limits: { coalesceMs: 40, heartbeatMs: 60, streamIdleMs: 60_000, maxStreamsPerUser: 3 },
  });
});
afterAll(() => app?.close());
afterEach(() => {
  for (const stream of open) stream.close();
});

async function connect(user: TestUser, lastEventId?: string) {
  const stream = await readEvents(`${app.apiUrl}/api/sse/processing-updates`, {
    'x-user': user.id,
    ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
  });
  open.add(stream);
  return stream;
}

const finalizeNew = async (user: TestUser, name: string) => {
  const id = await user.upload(jpeg(name));
  await user.finalize(id);
  return id;
};
const touch = async (user: TestUser, id: string) => {
  await app.database.db
    .updateTable('assets')
    .set({ processed: true, version: sql<number>`nextval('asset_version')` })
    .where('id', '=', id)
    .execute();
  app.server.changes.changed([user.id]);
};

test('begins with the counts, and an id to resume from', async () => {
  const user = app.user();
  await finalizeNew(user, 'a.jpg');
  const stream = await connect(user);
  await expect.poll(() => stream.events.length).toBe(1);
  expect(stream.events[0]).toMatchObject({
    id: expect.stringMatching(/^\d+$/),
    event: { type: 'progress', stats: { total: 1 } },
  });
  expect(Object.fromEntries(stream.response.headers)).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  });
});

test('pushes changes as they happen, to every stream of that user and to nobody else', async () => {
  const [ada, grace] = [app.user(), app.user()];
  const [one, two, other] = await Promise.all([connect(ada), connect(ada), connect(grace)]);
  await expect.poll(() => one.progress().length + two.progress().length).toBe(2);
  const id = await finalizeNew(ada, 'a.jpg');
  await touch(ada, id);
  for (const stream of [one, two]) {
    await expect
      .poll(() => stream.changes().at(-1))
      .toMatchObject({ id, stage: 'embedding', error: null });
    expect(stream.progress().at(-1)?.event).toMatchObject({ stats: { total: 1, processed: 1 } });
  }
  expect(other.changes()).toEqual([]);
});

test('many changes at once arrive together, each asset in its newest state', async () => {
  const user = app.user();
  const ids = await Promise.all(
    Array.from({ length: 20 }, (_, i) => user.upload(jpeg(`${i}.jpg`))),
  );
  const stream = await connect(user);
  await expect.poll(() => stream.progress().length).toBe(1);
  await user.call('POST', '/api/upload-complete', { uploads: ids.map((assetId) => ({ assetId })) });
  await expect.poll(() => new Set(stream.changes().map(({ id }) => id)).size).toBe(20);
  expect(stream.events.filter(({ event }) => event.type === 'assets').length).toBeLessThan(4);
});

test('a reconnect receives what it missed, each change once and in order', async () => {
  const user = app.user();
  const first = await connect(user);
  const a = await finalizeNew(user, 'a.jpg');
  await expect.poll(() => first.changes().length).toBe(1);
  const lastId = first.lastId();
  first.close();
  const b = await finalizeNew(user, 'b.jpg');
  await touch(user, a);
  const second = await connect(user, lastId);
  await expect.poll(() => second.progress().length).toBe(1);
  expect(second.changes().map(({ id }) => id)).toEqual([b, a]);
  expect(second.changes()[1]).toMatchObject({ stage: 'embedding' });
  const versions = second.changes().map(({ version }) => version);
  expect(versions).toEqual(versions.toSorted((x, y) => x - y));
  expect(second.lastId()).toBe(String(versions.at(-1)));
});

test('a reconnect that missed more than a page receives all of it', async () => {
  const user = app.user();
  await sql`insert into assets (id, user_id, key, filename, mime_type, size, checksum, search_words)
    select gen_random_uuid(), ${user.id}, 'u/x', n || '.jpg', 'image/jpeg', 1, n::text, ''
    from generate_series(1, 1203) n`.execute(app.database.db);
  const stream = await connect(user, '0');
  await expect.poll(() => stream.progress().length).toBe(1);
  expect(new Set(stream.changes().map(({ id }) => id)).size).toBe(1203);
  expect(stream.events.map(({ event }) => event.type)).toEqual([
    'assets',
    'assets',
    'assets',
    'progress',
  ]);
});

test('an id from the future, or nonsense, is no id', async () => {
  const user = app.user();
  await finalizeNew(user, 'a.jpg');
  for (const id of ['999999999999', 'nonsense', '-1', '']) {
    const stream = await connect(user, id);
    await expect.poll(() => stream.events.length).toBe(1);
    expect(stream.events[0]?.event.type).toBe('progress');
    stream.close();
  }
});

test('is kept alive by heartbeats, and closed when nothing happened for too long', async () => {
  const stream = await connect(app.user());
  await expect.poll(() => stream.heartbeats()).toBeGreaterThan(2);
  app.advance(60_001);
  expect(await stream.ended).toBe('ended');
});

test('a user may have so many streams, and a closed one makes room', async () => {
  const user = app.user();
  const streams = await Promise.all(Array.from({ length: 3 }, () => connect(user)));
  const refused = await connect(user);
  expect(refused.response.status).toBe(429);
  expect(refused.response.headers.get('retry-after')).toBe('5');
  expect((await refused.response.json()).code).toBe('rate_limited');
  expect((await connect(app.user())).response.status).toBe(200);
  streams[0]?.close();
  await expect.poll(async () => (await connect(user)).response.status).toBe(200);
});

test('the id to resume from may stand in the query; the header, which is newer, goes before it', async () => {
  const user = app.user();
  await finalizeNew(user, 'a.jpg');
  const first = await connect(user, '0');
  await expect.poll(() => first.changes().length).toBe(1);
  const lastId = first.lastId() ?? '';
  const url = `${app.apiUrl}/api/sse/processing-updates?lastEventId=0`;
  const queried = await readEvents(url, { 'x-user': user.id });
  const both = await readEvents(url, { 'x-user': user.id, 'last-event-id': lastId });
  await expect.poll(() => queried.progress().length + both.progress().length).toBe(2);
  expect([queried.changes().length, both.changes().length]).toEqual([1, 0]);
  for (const stream of [first, queried, both]) stream.close();
});

test('closing the server ends the streams at once', async () => {
  const other = await startTestServer();
  const response = await fetch(`${other.apiUrl}/api/sse/processing-updates`, {
    headers: { 'x-user': 'ada' },
  });
  const text = response.text();
  const startedMs = performance.now();
  await other.server.close();
  expect(await text).toContain('retry: 2000');
  expect(performance.now() - startedMs).toBeLessThan(1000);
  await other.close();
});
