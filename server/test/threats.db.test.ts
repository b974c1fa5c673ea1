import { randomUUID } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join, resolve } from 'node:path';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { isKey } from '../src/blobs/keys.ts';
import { changed } from '../src/database/change-assets.ts';
import { createWebSocketUpgrade } from '../src/events/web-socket.ts';
import type { Logger } from '../src/logging.ts';
import { listen } from '../src/node-server.ts';
import {
  grantedOf,
  jpeg,
  promiseOf,
  putTo,
  startTestServer,
  type TestServer,
  type TestUser,
} from './fixtures/test-server.ts';

const TOKEN = 'an-operator-token-of-more-than-32-characters';
/** What the server writes to its log, as the lines that a log collector would read. */
const lines: string[] = [];
const logger: Logger = pino(
  { level: 'debug', base: null },
  new Writable({
    write(chunk, _encoding, done) {
      lines.push(...String(chunk).split('\n').filter(Boolean));
      done();
    },
  }),
);
let app: TestServer;
beforeAll(async () => {
  const run = async () => ({ processed: 0, failed: 0, retried: 0, remaining: 0 });
  app = await startTestServer({ logger, operatorToken: TOKEN, cron: { secret: TOKEN, run } });
});
afterAll(() => app?.close());

/** A user with one finalized asset and one upload that waits. */
async function owner() {
  const user = app.user();
  const file = jpeg('owned.jpg');
  const assetId = await user.upload(file);
  await user.finalize(assetId);
  const pending = jpeg('pending.jpg');
  const uploadId = await user.upload(pending);
  return { user, file, assetId, pending, uploadId };
}

const stateOf = async (user: TestUser) => [
  await app.database.db
    .selectFrom('assets')
    .selectAll()
    .where('user_id', '=', user.id)
    .orderBy('id')
    .execute(),
  await app.database.db
    .selectFrom('uploads')
    .selectAll()
    .where('user_id', '=', user.id)
    .orderBy('id')
    .execute(),
];

describe('T1: a URL from a client', () => {
  let sink: Server;
  let connections = 0;
  let port = 0;
  beforeAll(async () => {
    sink = createServer((_, response) => response.end());
    sink.on('connection', () => connections++);
    await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve));
    ({ port } = sink.address() as AddressInfo);
  });
  afterAll(() => new Promise((resolve) => sink.close(resolve)));

  test('T1: is refused at finalize and everywhere else, and no connection is made', async () => {
    const { user, file, uploadId } = await owner();
    const urls = [
      `http://127.0.0.1:${port}/`,
      `http://localhost:${port}/`,
      `http://[::ffff:127.0.0.1]:${port}/`,
      `http://2130706433:${port}/`,
      `http://store.example@127.0.0.1:${port}/`,
      `http://127.0.0.1.nip.io:${port}/`,
      `//127.0.0.1:${port}/`,
      'http://169.254.169.254/latest/meta-data/',
      'file:///etc/passwd',
    ];
    for (const url of urls) {
      for (const field of ['blobUrl', 'url', 'key', 'pathname', 'bucket']) {
        const bodies: [string, object][] = [
          ['/api/upload-complete', { assetId: uploadId, [field]: url }],
          ['/api/upload-complete', { uploads: [{ assetId: uploadId, [field]: url }] }],
          ['/api/uploads/reconcile', { files: [{ ...promiseOf(file), [field]: url }] }],
          ['/api/assets/changes', { ids: [uploadId], [field]: url }],
        ];
        for (const [path, body] of bodies) {
          expect((await user.call('POST', path, body)).status).toBe(400);
        }
      }
      expect((await user.call('POST', '/api/upload-complete', { assetId: url })).status).toBe(400);
    }
    // A URL where a name belongs is a name.
    const named = await user.upload({ ...jpeg('x'), filename: urls[0] ?? '' });
    expect((await user.finalize(named)).status).toBe(200);
    expect(connections).toBe(0);
  });
});

test('T2: whatever the name and the path, the key is the server’s own', async () => {
  const hostile = [
    '../../etc/passwd',
    '..%2f..%2fetc%2fpasswd',
    '..\\..\\windows',
    '/etc/passwd',
    '//host/share',
    'a/../../b',
    '%00.jpg',
    'u/00000000000000000000000000000000/2026/x',
  ];
  const names = [
    ...hostile,
    ...fc.sample(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }), {
      numRuns: 200,
      seed: 7,
    }),
  ].filter((name) => !name.includes('\0'));
  const user = app.user();
  const files = names.map((name) => ({ ...jpeg(name), path: `${name}/${name}` }));
  for (const result of await user.reserve(files)) {
    if (result.status !== 'granted') throw new Error(JSON.stringify(result));
    const { pathname, assetId } = result.credential;
    expect(isKey(pathname)).toBe(true);
    expect(pathname.endsWith(`/${assetId}`)).toBe(true);
  }
});

describe('T7: a checksum of bytes that one does not have', () => {
  test('T7: gives nothing, and its answers are those of bytes nobody has', async () => {
    const { file } = await owner();
    const thief = app.user();
    const unknown = jpeg('nobody.jpg');
    const shapeOf = (value: unknown): unknown =>
      typeof value !== 'object' || value === null
        ? typeof value
        : Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shapeOf(inner)]));

    const [claimed, fresh] = await thief.reserve([{ ...file, clientId: randomUUID() }, unknown]);
    expect(claimed?.status).toBe('granted');
    expect(shapeOf(claimed)).toEqual(shapeOf(fresh));
    const answers = await Promise.all(
      [claimed, fresh].map(async (result) => {
        const { status, body } = await thief.finalize(grantedOf(result).assetId);
        return [status, body];
      }),
    );
    expect(answers[0]).toEqual(answers[1]);
    expect(answers[0]?.[0]).toBe(409);
    const reconciled = await thief.call('POST', '/api/uploads/reconcile', {
      files: [file, unknown].map((each) => ({
        clientId: randomUUID(),
        checksum: promiseOf(each).checksum,
      })),
    });
    expect(reconciled.body.results.map(({ status }: { status: string }) => status)).toEqual([
      'unknown',
      'unknown',
    ]);
    expect((await thief.call('GET', '/api/assets')).body.assets).toEqual([]);
  });
});

test('T8: a lie about a checksum is rejected, and the true bytes are taken afterwards', async () => {
  const user = app.user();
  const truth = jpeg('true.jpg');
  const lied = grantedOf((await user.reserve([truth]))[0]);
  // Past the store's own check, as a store without one would let it.
  await app.store.write(lied.pathname, jpeg('other.jpg').bytes, 'image/jpeg');
  expect((await user.finalize(lied.assetId)).body.code).toBe('checksum_mismatch');
  const id = await user.upload({ ...truth, clientId: randomUUID() });
  expect((await user.finalize(id)).body.asset).toMatchObject({ id, isDuplicate: false });
});

/** What a user's stream and WebSocket say while both users' assets change, from their beginnings on. */
async function eventsOf(user: TestUser, other: TestUser): Promise<string[]> {
  const upgrade = createWebSocketUpgrade({ connectEvents: app.server.connectEvents, logger });
  const listening = await listen({ api: app.server.fetch, store: app.store.fetch, upgrade });
  let heard = '';
  let told = '';
  const headers = { 'x-user': user.id };
  const query = '/processing-updates?lastEventId=0';
  const controller = new AbortController();
  const stream = await fetch(`${listening.apiUrl}/api/sse${query}`, {
    headers,
    signal: controller.signal,
  });
  const socket = new WebSocket(`${listening.apiUrl.replace('http', 'ws')}/api/ws${query}`, {
    headers,
  });
  socket.on('message', (data) => {
    told += String(data);
  });
  const reading = (async () => {
    for await (const chunk of stream.body ?? []) heard += new TextDecoder().decode(chunk);
  })().catch(() => {});
  await once(socket, 'open');
  for (const who of [other, user]) {
    await app.database.db
      .updateTable('assets')
      .set({ embedding_retry_count: 1, ...changed() })
      .where('user_id', '=', who.id)
      .execute();
    app.server.changes.changed([who.id]);
  }
  await expect.poll(() => heard.includes('"changes"') && told.includes('"changes"')).toBe(true);
  await sleep(200);
  controller.abort();
  socket.close();
  await reading;
  await listening.close(100);
  return [heard, told];
}

test('T9: of two users, neither reaches anything of the other by any id at any endpoint', async () => {
  const [one, other] = [await owner(), await owner()];
  // Dead letters, so that a redrive of a stranger would have something to take.
  await app.database.db
    .updateTable('assets')
    .set({ failed: true, processing_error: JSON.stringify({ code: 'undecodable', detail: '' }) })
    .where('id', 'in', [one.assetId, other.assetId])
    .execute();
  for (const [mine, theirs] of [
    [one, other],
    [other, one],
  ] as const) {
    const before = await stateOf(theirs.user);
    const ids = [theirs.assetId, theirs.uploadId, theirs.file.clientId, randomUUID()];
    for (const id of ids) {
      const asked = [
        await mine.user.call('GET', `/api/assets/${id}`),
        await mine.user.call('POST', `/api/assets/${id}/retry-processing`),
        await mine.user.call('GET', `/api/search?like=${id}`),
        await mine.user.call('POST', '/api/upload-complete', { assetId: id }),
      ];
      expect(asked.map(({ status }) => status)).toEqual([404, 404, 404, 404]);
      const { body: batch } = await mine.user.call('POST', '/api/upload-complete', {
        uploads: [{ assetId: id }],
      });
      expect(batch.results).toMatchObject([{ success: false, error: { code: 'not_found' } }]);
      const { body } = await mine.user.call('POST', '/api/assets/changes', { ids: [id] });
      expect(body.changes).toEqual([]);
    }
    const { body } = await mine.user.call('POST', '/api/uploads/reconcile', {
      files: [theirs.file, theirs.pending].map((file) => ({
        clientId: file.clientId,
        checksum: promiseOf(file).checksum,
      })),
    });
    expect(body.results.map(({ status }: { status: string }) => status)).toEqual([
      'unknown',
      'unknown',
    ]);
    for (const path of ['/api/dead-letters', '/api/assets', '/api/search?q=pending']) {
      expect(JSON.stringify((await mine.user.call('GET', path)).body)).not.toContain(
        theirs.assetId,
      );
    }
    const { stats } = (await mine.user.call('GET', '/api/processing-stats')).body;
    expect(stats).toMatchObject({ total: 1 });
    const redriven = await mine.user.call('POST', '/api/assets/retry-processing', {
      stage: 'process',
    });
    expect(redriven.body).toEqual({ redriven: 1, remaining: 0 });
    expect(await stateOf(theirs.user)).toEqual(before);
    // This changes assets of both.
    for (const heard of await eventsOf(mine.user, theirs.user)) {
      expect(heard).toContain(mine.assetId);
      expect(heard).not.toContain(theirs.assetId);
    }
  }
});

test('T11: no signature, token or query string reaches the log, and URLs send no referrer', async () => {
  const from = lines.length;
  const { user, file, assetId } = await owner();
  const secrets = new Set<string>([TOKEN]);
  const collect = (url: string) => {
    for (const value of new URL(url).searchParams.values())
      if (value.length > 15) secrets.add(value);
  };
  const [result] = await user.reserve([jpeg('put.jpg')]);
  const credential = grantedOf(result);
  collect(credential.uploadUrl);
  // Refused, expired and repeated ones are what gets logged.
  await putTo({ ...credential, uploadUrl: `${credential.uploadUrl}0` }, file.bytes);
  await putTo(credential, file.bytes);
  const { asset } = (await user.call('GET', `/api/assets/${assetId}`)).body;
  collect(asset.blobUrl);
  const download = await fetch(asset.blobUrl);
  expect(download.headers.get('referrer-policy')).toBe('no-referrer');
  await user.call('GET', `/api/search?q=private-words-of-a-search`);
  await user.call('GET', '/admin/api/status', undefined, { authorization: `Bearer ${TOKEN}` });
  const api = await user.call('GET', '/api/assets');
  expect(api.headers.get('referrer-policy')).toBe('no-referrer');
  expect(secrets.size).toBeGreaterThan(1);
  const log = lines.slice(from).join('\n');
  expect(log).toContain('/api/search');
  for (const secret of [...secrets, 'private-words-of-a-search', 'q=']) {
    expect(log).not.toContain(secret);
  }
});

test('T20: cookies alone change nothing from another site, whatever the body’s type', async () => {
  const { user, assetId, uploadId } = await owner();
  const before = await stateOf(user);
  const targets: [string, object][] = [
    ['/api/upload-urls', { files: [promiseOf(jpeg('a.jpg'))] }],
    ['/api/upload-complete', { assetId: uploadId }],
    [`/api/assets/${assetId}/retry-processing`, {}],
    ['/api/assets/retry-processing', { stage: 'process' }],
    ['/api/assets/changes', { ids: [assetId] }],
    ['/api/uploads/reconcile', { files: [] }],
  ];
  for (const [path, body] of targets) {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/json']) {
      for (const origin of ['https://evil.test', 'null']) {
        const answer = await user.call('POST', path, body, { origin, 'content-type': type });
        expect([path, answer.status]).toEqual([path, 403]);
      }
    }
  }
  // The operator's and the cron's routes know no cookies at all.
  const cookie = { cookie: `token=${TOKEN}`, origin: app.apiUrl };
  const redrive = await user.call('POST', '/admin/api/redrive', { stage: 'process' }, cookie);
  expect(redrive.status).toBe(401);
  expect(await stateOf(user)).toEqual(before);
});

test('T23: ten thousand names of every script come back as they were, or are refused', async () => {
  const named = fc.sample(fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }), {
    numRuns: 10_000,
    seed: 23,
  });
  named[0] = 'photo\u202egpj.exe';
  named[1] = 'zero\u200bwidth';
  for (let i = 0; i < named.length; i += 500) {
    const user = app.user();
    const files = named.slice(i, i + 500).map((filename) => ({ ...jpeg(filename), filename }));
    const results = await user.reserve(files);
    const rows = await app.database.db
      .selectFrom('uploads')
      .select(['client_id', 'filename', 'key'])
      .where('user_id', '=', user.id)
      .execute();
    const stored = new Map(rows.map((row) => [row.client_id, row]));
    for (const [at, file] of files.entries()) {
      const result = results[at];
      if (result?.status === 'rejected') {
        expect(result.error.code).toBe('invalid_name');
        expect(file.filename).toMatch(/\0/);
      } else {
        const row = stored.get(file.clientId);
        expect(row?.filename).toBe(file.filename);
        expect(isKey(row?.key ?? '')).toBe(true);
      }
    }
  }
});

test('T24: a name cannot add a header to its download', async () => {
  const user = app.user();
  const filename = 'a"\r\nSet-Cookie: stolen=1\r\n\r\n<script>.jpg';
  const id = await user.upload({ ...jpeg('x'), filename });
  await user.finalize(id);
  const { asset } = (await user.call('GET', `/api/assets/${id}`)).body;
  const download = await fetch(asset.blobUrl);
  expect(download.status).toBe(200);
  expect(download.headers.get('set-cookie')).toBeNull();
  const disposition = download.headers.get('content-disposition') ?? '';
  expect(disposition).toMatch(/^attachment; filename="[^"]*"; filename\*=UTF-8''\S+$/);
});

describe('T25: text from outside', () => {
  let other: TestServer | undefined;
  afterEach(() => other?.close());

  test('T25: makes no line of its own in the log, and names stay below info', async () => {
    const forged = '\n{"level":50,"msg":"forged"}\u2028';
    other = await startTestServer({
      logger,
      limits: { rateLimitCapacity: 2 },
      authorize: async () => `ada${forged}`,
    });
    const user = other.user();
    const from = lines.length;
    const secretName = `private-name${forged}.jpg`;
    const id = await user.upload({ ...jpeg('x'), filename: secretName });
    await user.finalize(id);
    await user.reserve([{ ...jpeg('y'), filename: secretName }]);
    const limited = await user.call('POST', '/api/upload-urls', {});
    expect(limited.status).toBe(429);
    const written = lines.slice(from).map((line) => JSON.parse(line));
    expect(written.some(({ msg }) => String(msg).includes('exceeded limit'))).toBe(true);
    expect(written.some(({ msg }) => msg === 'forged')).toBe(false);
    const loud = written.filter(({ level }) => level >= 30);
    expect(JSON.stringify(loud)).not.toContain('private-name');
  });
});

describe('T27: a client that sends as slowly as it can', () => {
  test('T27: is closed in time, headers and body, while others are answered', async () => {
    const listening = await listen(
      { api: app.server.fetch, store: app.store.fetch },
      { headersTimeoutMs: 1500, apiRequestTimeoutMs: 2500 },
    );
    const { port } = new URL(listening.apiUrl);
    const slow = async (start: string): Promise<number> => {
      const startedMs = performance.now();
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => {});
      socket.write(start);
      const drip = setInterval(() => socket.writable && socket.write('a'), 200);
      socket.resume();
      await new Promise((resolve) => socket.on('close', resolve));
      clearInterval(drip);
      return performance.now() - startedMs;
    };
    const attacks = Promise.all([
      slow('POST /api/upload-complete HTTP/1.1\r\nhost: a\r\nx-user: ada\r\nx-slow: '),
      slow(
        'POST /api/upload-complete HTTP/1.1\r\nhost: a\r\nx-user: ada\r\n' +
          'content-type: application/json\r\ncontent-length: 100000\r\n\r\n',
      ),
    ]);
    await sleep(500);
    expect((await fetch(`${listening.apiUrl}/healthz`)).status).toBe(200);
    for (const ms of await attacks) {
      expect(ms).toBeGreaterThan(1000);
      expect(ms).toBeLessThan(8000);
    }
    await listening.close(100);
  });
});

test('T27: by default has 30 s for its headers and 120 s for a body; only a file may take longer', async () => {
  const servers: Server[] = [];
  const keep = (message: unknown) => servers.push((message as { server: Server }).server);
  subscribe('http.server.request.start', keep);
  const listening = await listen({ api: app.server.fetch, store: app.store.fetch });
  try {
    for (const url of [listening.apiUrl, listening.storeUrl]) await (await fetch(url)).text();
  } finally {
    unsubscribe('http.server.request.start', keep);
    await listening.close(100);
  }
  expect(servers.map(({ headersTimeout }) => headersTimeout)).toEqual([30_000, 30_000]);
  expect(servers.map(({ requestTimeout }) => requestTimeout)).toEqual([120_000, 0]);
  // Nothing moves at all on a connection.
  expect(servers.map(({ timeout }) => timeout)).toEqual([120_000, 120_000]);
});

test('T30: no field of an asset can be set by its sender', async () => {
  const { user, uploadId } = await owner();
  const before = await stateOf(user);
  const fields = Object.keys((before[0]?.[0] ?? {}) as object);
  expect(fields.length).toBeGreaterThan(15);
  for (const field of [
    ...fields,
    'state',
    'ownerId',
    'userId',
    'score',
    '__proto__',
    'constructor',
  ]) {
    const body = `{"assetId":"${uploadId}",${JSON.stringify(field)}:true}`;
    const answer = await user.call('POST', '/api/upload-complete', body);
    expect([field, answer.status]).toEqual([field, 400]);
  }
  await fc.assert(
    fc.asyncProperty(
      fc.string({ minLength: 1, maxLength: 12 }),
      fc.jsonValue(),
      async (key, value) => {
        fc.pre(!['assetId', 'checksum', 'uploads'].includes(key));
        const body = `{"assetId":"${uploadId}",${JSON.stringify(key)}:${JSON.stringify(value)}}`;
        const answer = await user.call('POST', '/api/upload-complete', body);
        expect([400, 413, 415]).toContain(answer.status);
      },
    ),
    { numRuns: 60, seed: 30 },
  );
  expect(await stateOf(user)).toEqual(before);
});

const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;

/** Every route in the sources but those that need nobody: of health, and the page that asks for the token. */
function guardedRoutes(): string[] {
  const dir = resolve(import.meta.dirname, '../src/routes');
  const sources = readdirSync(dir).filter((file) => file !== 'webhooks.ts' && file !== 'health.ts');
  const source = sources.map((file) => readFileSync(join(dir, file), 'utf8')).join('\n');
  const constants = new Map(
    [...source.matchAll(/const (\w+_PATH) = '([^']+)'/g)].map(([, name, value]) => [name, value]),
  );
  const found = [...source.matchAll(/app\.(get|post|put|patch|delete)\((?:path\()?([^,)]+)/g)];
  const routes = found.map(([, method = '', quoted = '']) => {
    const path = constants.get(quoted) ?? quoted.replace(/\$\{basePath\}/, '').slice(1, -1);
    return `${method.toUpperCase()} ${path}`;
  });
  const crons = ['process-images', 'process-embeddings', 'sweep'];
  return routes
    .filter((route) => route !== 'GET /admin')
    .flatMap((route) => crons.map((cron) => route.replace(/\$\{route\}/, cron)))
    .filter((route, at, all) => all.indexOf(route) === at)
    .sort();
}

test('T31: every route asks who it is by itself, whatever a proxy claims to have checked', async () => {
  const routes: [string, string][] = [
    ['POST', '/api/upload'],
    ['POST', '/api/upload-pack'],
    ['POST', '/api/multipart/begin'],
    ['POST', '/api/multipart/parts'],
    ['POST', '/api/multipart/abort'],
    ['GET', '/api/upload-url'],
    ['POST', '/api/upload-urls'],
    ['POST', '/api/upload-complete'],
    ['POST', '/api/uploads/reconcile'],
    ['GET', '/api/processing-stats'],
    ['GET', '/api/sse/processing-updates'],
    ['GET', '/api/ws/processing-updates'],
    ['GET', '/api/telemetry'],
    ['GET', '/metrics'],
    ['GET', '/api/cron/process-images'],
    ['POST', '/api/cron/process-images'],
    ['GET', '/api/cron/process-embeddings'],
    ['POST', '/api/cron/process-embeddings'],
    ['GET', '/api/cron/sweep'],
    ['POST', '/api/cron/sweep'],
    ['GET', '/api/assets'],
    ['POST', '/api/assets/changes'],
    ['GET', `/api/assets/${randomUUID()}`],
    ['POST', `/api/assets/${randomUUID()}/retry-processing`],
    ['POST', '/api/assets/retry-processing'],
    ['GET', '/api/dead-letters'],
    ['GET', '/api/search'],
    ['GET', '/admin/api/status'],
    ['POST', '/admin/api/redrive'],
  ];
  const listed = routes.map(([method, path]) => `${method} ${path.replace(UUID, ':id')}`);
  expect(listed.sort()).toEqual(guardedRoutes());
  const claims = {
    'x-middleware-subrequest': 'middleware:middleware:middleware:middleware:middleware',
    'x-forwarded-user': 'ada',
    'x-authenticated': 'true',
    'x-original-url': '/healthz',
    'x-rewrite-url': '/healthz',
  };
  for (const [method, path] of routes) {
    for (const spelling of [path, `${path}?x-user=ada`, `${path}/../${path.split('/').at(-1)}`]) {
      const answer = await app.server.fetch(
        new Request(`http://api.test${spelling}`, { method, headers: claims }),
      );
      expect([spelling, answer.status]).toEqual([spelling, 401]);
    }
  }
});
