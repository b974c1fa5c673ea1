import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import WebSocket from 'ws';
import { createWebSocketUpgrade } from '../src/events/web-socket.ts';
import { type Listening, listen } from '../src/node-server.ts';
import { readEvents } from './fixtures/event-reader.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';
import { startTestServer, type TestServer } from './fixtures/test-server.ts';

const logger = recordingLogger();
/** Session → user, as a login keeps them. */
const sessions = new Map<string, string>();
const cookieOf = (request: Request) =>
  /session=(\w+)/.exec(request.headers.get('cookie') ?? '')?.[1];
const authorize = vi.fn(async (request: Request) => {
  const session = cookieOf(request) ?? '';
  if (session === 'unreachable' && isBackendDown) throw new Error('the sessions cannot be reached');
  return sessions.get(session) ?? null;
});
let isBackendDown = false;
let app: TestServer;
let listening: Listening;
const url = (path: string) => `${listening.apiUrl}${path}`;
const SSE = '/api/sse/processing-updates';

beforeAll(async () => {
  app = await startTestServer({
    authorize,
    logger,
    // Sessions are checked at the default's pace: the clock is moved.
    limits: { coalesceMs: 20, heartbeatMs: 50, streamIdleMs: 3_600_000, maxStreamsPerUser: 20 },
  });
  const upgrade = createWebSocketUpgrade({ connectEvents: app.server.connectEvents, logger });
  listening = await listen({ api: app.server.fetch, store: app.store.fetch, upgrade });
});
afterAll(async () => {
  await listening?.close(100);
  await app?.close();
});

test('a stream ends within a minute of its session; those of other sessions go on', async () => {
  sessions.set('one', 'ada').set('two', 'ada').set('three', 'grace');
  const [one, two, three] = await Promise.all(
    ['one', 'two', 'three'].map((id) => readEvents(url(SSE), { cookie: `session=${id}` })),
  );
  const socket = new WebSocket(url('/api/ws/processing-updates').replace('http', 'ws'), {
    headers: { cookie: 'session=one' },
  });
  const closed = new Promise((resolve) => socket.on('close', (code) => resolve(code)));
  await new Promise((resolve) => socket.on('open', resolve));
  sessions.delete('one');
  // The next of somebody else: the same cookie is another user's by now.
  sessions.set('two', 'eve');
  app.advance(31_000);
  expect(await Promise.all([one?.ended, two?.ended])).toEqual(['ended', 'ended']);
  expect(await closed).toBe(1008);
  const beats = three?.heartbeats() ?? 0;
  await expect.poll(() => three?.heartbeats()).toBeGreaterThan(beats + 1);
  three?.close();
});

test('sessions are asked about every 30 s, not at every heartbeat', async () => {
  sessions.set('rare', 'ada');
  const stream = await readEvents(url(SSE), { cookie: 'session=rare' });
  const asked = () =>
    authorize.mock.calls.filter(([request]) => cookieOf(request) === 'rare').length;
  await expect.poll(() => stream.heartbeats()).toBeGreaterThan(3);
  expect(asked()).toBe(1);
  app.advance(31_000);
  await expect.poll(asked).toBe(2);
  stream.close();
});

test('a session that cannot be checked is not over, but for 15 minutes at most', async () => {
  sessions.set('unreachable', 'ada');
  const stream = await readEvents(url(SSE), { cookie: 'session=unreachable' });
  isBackendDown = true;
  const warnings = () =>
    logger.lines.filter(({ message }) => message.includes('could not be checked')).length;
  for (let minute = 1; minute <= 14; minute++) {
    const before = warnings();
    app.advance(60_000);
    await expect.poll(warnings).toBeGreaterThan(before);
  }
  const beats = stream.heartbeats();
  await expect.poll(() => stream.heartbeats()).toBeGreaterThan(beats);
  app.advance(60_000);
  expect(await stream.ended).toBe('ended');
  isBackendDown = false;
});

test('a page of another site cannot open a WebSocket with somebody’s cookies', async () => {
  sessions.set('ada', 'ada');
  const attempt = (origin: string | undefined, session: string) =>
    new Promise<number>((resolve, reject) => {
      const socket = new WebSocket(url('/api/ws/processing-updates').replace('http', 'ws'), {
        headers: { cookie: `session=${session}`, ...(origin !== undefined && { origin }) },
      });
      socket.on('open', () => {
        socket.close();
        resolve(101);
      });
      socket.on('unexpected-response', (_, response) => {
        response.destroy();
        resolve(response.statusCode ?? 0);
      });
      socket.on('error', reject);
    });
  expect(await attempt('https://evil.test', 'ada')).toBe(403);
  expect(await attempt('null', 'ada')).toBe(403);
  expect(await attempt(listening.apiUrl, 'ada')).toBe(101);
  expect(await attempt(undefined, 'ada')).toBe(101);
  expect(await attempt(undefined, 'nobody')).toBe(401);
});
