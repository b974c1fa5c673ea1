import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { processingEventSchema } from 'bulkhead/protocol';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import WebSocket from 'ws';
import { createWebSocketUpgrade } from '../src/events/web-socket.ts';
import { type Listening, listen } from '../src/node-server.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';
import { startTestServer, type TestServer, type TestUser } from './fixtures/test-server.ts';

const logger = recordingLogger();
let app: TestServer;
let listening: Listening;
beforeAll(async () => {
  app = await startTestServer({
    logger,
    limits: { coalesceMs: 20, heartbeatMs: 200, streamIdleMs: 60_000, maxStreamsPerUser: 2 },
  });
  const upgrade = createWebSocketUpgrade({ connectEvents: app.server.connectEvents, logger });
  listening = await listen({ api: app.server.fetch, store: app.store.fetch, upgrade });
});
afterAll(async () => {
  await listening?.close(100);
  await app?.close();
});

const address = (query = '') =>
  `${listening.apiUrl.replace('http', 'ws')}/api/ws/processing-updates${query}`;

async function open(user: TestUser, query = '') {
  const socket = new WebSocket(address(query), { headers: { 'x-user': user.id } });
  const messages: { id?: number; type: string }[] = [];
  socket.on('message', (data) => messages.push(JSON.parse(String(data))));
  const closed = once(socket, 'close').then(([code]) => code as number);
  await once(socket, 'open');
  const events = () => messages.filter(({ type }) => type !== 'heartbeat');
  return {
    socket,
    messages,
    events,
    closed,
    changes: () =>
      events()
        .map((message) => processingEventSchema.parse(message))
        .flatMap((event) => (event.type === 'assets' ? event.changes : [])),
  };
}

/** So many assets that the library has without their bytes. */
async function addAssets(user: TestUser, count: number, detail?: string): Promise<void> {
  await insertAssets(user, count, detail);
  app.server.changes.changed([user.id]);
}

async function insertAssets(user: TestUser, count: number, detail?: string): Promise<void> {
  const error = detail === undefined ? null : JSON.stringify({ code: 'undecodable', detail });
  await sql`insert into assets (id, user_id, key, filename, mime_type, size, checksum, search_words,
      processing_error)
    select gen_random_uuid(), ${user.id}, 'u/x', n || '.jpg', 'image/jpeg', 1, gen_random_uuid()::text, '',
      ${error}::jsonb
    from generate_series(1, ${count}::int) n`.execute(app.database.db);
}

test('sends the same events as the stream, each with its id, and nobody else’s', async () => {
  const [ada, grace] = [app.user(), app.user()];
  const [one, other] = await Promise.all([open(ada), open(grace)]);
  await expect.poll(() => one.events().length + other.events().length).toBe(2);
  expect(processingEventSchema.parse(one.events()[0])).toMatchObject({ type: 'progress' });
  await addAssets(ada, 3);
  await expect.poll(() => one.changes().length).toBe(3);
  await expect.poll(() => one.events().at(-1)).toMatchObject({ type: 'progress' });
  expect(one.events()[1]?.id).toBe(one.changes().at(-1)?.version);
  expect(other.changes()).toEqual([]);
  one.socket.close();
  other.socket.close();
});

test('goes on after the id in the query', async () => {
  const user = app.user();
  await addAssets(user, 1);
  const first = await open(user, '?lastEventId=0');
  await expect.poll(() => first.changes().length).toBe(1);
  const lastId = first.events().at(-1)?.id;
  first.socket.close();
  await first.closed;
  await addAssets(user, 2);
  const second = await open(user, `?lastEventId=${lastId}`);
  await expect.poll(() => second.changes().length).toBe(2);
  second.socket.close();
});

test('pages hear heartbeats; who answers no ping is gone', async () => {
  const user = app.user();
  const socket = new WebSocket(address(), { headers: { 'x-user': user.id }, autoPong: false });
  let heartbeats = 0;
  socket.on('message', (data) => {
    if (String(data) === '{"type":"heartbeat"}') heartbeats++;
  });
  const closed = once(socket, 'close').then(([code]) => code);
  await expect.poll(() => heartbeats).toBeGreaterThan(0);
  expect(await closed).toBe(1006);
  const alive = await open(user);
  const beats = () => alive.messages.filter(({ type }) => type === 'heartbeat').length;
  await expect.poll(beats).toBeGreaterThan(4);
  alive.socket.close();
});

test('is closed when nothing happened for too long', async () => {
  const { closed, events } = await open(app.user());
  await expect.poll(() => events().length).toBe(1);
  app.advance(60_001);
  expect(await closed).toBe(1000);
});

test('counts among the streams of its user, and is refused like one', async () => {
  const user = app.user();
  const [one, two] = await Promise.all([open(user), open(user)]);
  const refused = new WebSocket(address(), { headers: { 'x-user': user.id } });
  const [, response] = await once(refused, 'unexpected-response');
  expect([response.statusCode, response.headers['retry-after']]).toEqual([429, '5']);
  let body = '';
  for await (const chunk of response) body += chunk;
  expect(JSON.parse(body)).toMatchObject({ code: 'rate_limited' });
  one.socket.close();
  await one.closed;
  const three = await open(user);
  for (const { socket } of [two, three]) socket.close();
});

test('other addresses are not found, and other requests to this one are told', async () => {
  const elsewhere = new WebSocket(address().replace('processing-updates', 'x'));
  const [, response] = await once(elsewhere, 'unexpected-response');
  expect(response.statusCode).toBe(404);
  response.destroy();
  const answer = await fetch(`${listening.apiUrl}/api/ws/processing-updates`, {
    headers: { 'x-user': 'ada' },
  });
  expect(await answer.json()).toMatchObject({ code: 'invalid_request' });
});

test('a handshake that is none, or has no host, harms nothing', async () => {
  for (const lines of [
    ['GET /api/ws/processing-updates HTTP/1.1', 'Host: x', 'X-User: ada'],
    ['GET /api/ws/processing-updates HTTP/1.1', 'Host: a b', 'X-User: ada'],
  ]) {
    const socket = connectTcp(Number(new URL(listening.apiUrl).port), '127.0.0.1');
    socket.write(`${[...lines, 'Connection: Upgrade', 'Upgrade: websocket'].join('\r\n')}\r\n\r\n`);
    let answer = '';
    for await (const chunk of socket) answer += chunk;
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  }
  const alive = await open(app.user());
  await expect.poll(() => alive.events().length).toBe(1);
  alive.socket.close();
});

test('a reader that does not read is passed over, holds no memory, and misses nothing', async () => {
  const user = app.user();
  const slow = await open(user);
  await expect.poll(() => slow.events().length).toBe(1);
  const sent = async () => {
    const metric = app.server.telemetry.registry.getSingleMetric('bulkhead_events_sent_total');
    return (await metric?.get())?.values[0]?.value ?? 0;
  };
  const before = await sent();
  await insertAssets(user, 10_000, 'x'.repeat(3000));
  // Below three heartbeats: who reads nothing answers no ping either.
  slow.socket.pause();
  app.server.changes.changed([user.id]);
  await new Promise((resolve) => setTimeout(resolve, 400));
  // 20 pages of 1.5 MB: what is sent lies in the buffers of two sockets, and the rest in the database.
  expect((await sent()) - before).toBeLessThan(15);
  slow.socket.resume();
  await expect.poll(() => slow.changes().length, { timeout: 20_000 }).toBe(10_000);
  const versions = slow.changes().map(({ version }) => version);
  expect(new Set(versions).size).toBe(10_000);
  expect(versions).toEqual(versions.toSorted((a, b) => a - b));
  slow.socket.close();
});
