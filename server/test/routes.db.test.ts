import { randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { MAX_JSON_BYTES, problemSchema, statsResponseSchema } from 'bulkhead/protocol';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createFileSystemStore } from '../src/blobs/file-system-store.ts';
import { createBulkheadServer } from '../src/create-server.ts';
import { createReadinessChecker } from '../src/health/readiness.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';
import {
  type Answer,
  jpeg,
  promiseOf,
  SECRET,
  startTestServer,
  type TestServer,
} from './fixtures/test-server.ts';

const PAGE = 'https://page.test';
const logger = recordingLogger();
let app: TestServer;
beforeAll(async () => {
  app = await startTestServer({
    logger,
    allowedOrigins: [PAGE],
    authorize: async (request) => {
      const userId = request.headers.get('x-user');
      if (userId === 'explode') throw new Error('the session store is down: password=hunter2');
      const isNew = userId?.startsWith('new-') === true;
      return isNew ? { userId, setCookie: `visitor=${userId}; HttpOnly` } : userId;
    },
  });
});
afterAll(() => app?.close());

const expectProblem = ({ status, headers, body }: Answer, code: string) => {
  expect(headers.get('content-type')).toBe('application/problem+json');
  const problem = problemSchema.parse(body);
  expect(problem.code).toBe(code);
  expect(problem.status).toBe(status);
};

describe('who may ask', () => {
  const routes: [string, string][] = [
    ['GET', '/api/upload-url'],
    ['POST', '/api/upload-urls'],
    ['POST', '/api/upload-complete'],
    ['POST', '/api/uploads/reconcile'],
    ['GET', '/api/processing-stats'],
    ['GET', '/api/sse/processing-updates'],
    ['GET', '/api/assets'],
    ['POST', '/api/assets/changes'],
    ['GET', `/api/assets/${randomUUID()}`],
    ['POST', `/api/assets/${randomUUID()}/retry-processing`],
    ['GET', '/api/search'],
    ['GET', '/api/dead-letters'],
    ['POST', '/api/assets/retry-processing'],
  ];

  test.each(routes)('%s %s needs somebody signed in', async (method, path) => {
    const response = await fetch(`${app.apiUrl}${path}`, { method });
    expect(response.status).toBe(401);
    expect((await response.json()).code).toBe('unauthenticated');
  });

  test('every route that changes something refuses pages of other sites', async () => {
    for (const [method, path] of routes.filter(([name]) => name === 'POST')) {
      for (const origin of ['https://evil.test', 'null', 'not an origin']) {
        expectProblem(await app.user().call(method, path, {}, { origin }), 'forbidden_origin');
      }
    }
  });

  test('pages of this host and of allowed origins may call; the latter can read', async () => {
    const own = await app.user().call('POST', '/api/upload-urls', {}, { origin: app.apiUrl });
    expectProblem(own, 'invalid_request');
    const allowed = await app.user().call('POST', '/api/upload-urls', {}, { origin: PAGE });
    expectProblem(allowed, 'invalid_request');
    expect(allowed.headers.get('access-control-allow-origin')).toBe(PAGE);
    expect(allowed.headers.get('access-control-allow-credentials')).toBe('true');
    const preflight = await fetch(`${app.apiUrl}/api/upload-urls`, {
      method: 'OPTIONS',
      headers: { origin: PAGE },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe(PAGE);
    expect(preflight.headers.get('access-control-allow-headers')).toContain('content-type');
  });

  test('a cookie made by authorize is set, on refusals too', async () => {
    const headers = { 'x-user': `new-${randomUUID()}` };
    for (const path of ['/api/processing-stats', '/api/assets?limit=0']) {
      const response = await fetch(`${app.apiUrl}${path}`, { headers });
      expect(response.headers.get('set-cookie')).toBe(`visitor=${headers['x-user']}; HttpOnly`);
    }
  });
});

describe('bad requests', () => {
  const post = (body: string, headers = {}) =>
    app.user().call('POST', '/api/upload-complete', body, headers);

  test.each(['', '{', '[1,2', 'nonsense', '{"a":1}}'])('%j is not JSON', async (body) => {
    expectProblem(await post(body), 'invalid_json');
  });

  test('bytes that are not UTF-8 are not JSON', async () => {
    const response = await fetch(`${app.apiUrl}/api/upload-complete`, {
      method: 'POST',
      headers: { 'x-user': 'ada', 'content-type': 'application/json' },
      body: new Uint8Array([0x22, 0xff, 0x22]),
    });
    expect((await response.json()).code).toBe('invalid_json');
  });

  test.each([
    ['null', ''],
    ['[]', ''],
    ['{}', 'assetId'],
    ['{"assetId":"1"}', 'assetId'],
    ['{"uploads":[]}', 'uploads'],
    [`{"uploads":[{"assetId":"${randomUUID()}"},{"assetId":7}]}`, 'uploads[1].assetId'],
    [`{"uploads":[{"assetId":"${randomUUID()}","admin":true}]}`, 'admin'],
    ['{"uploads":{}}', 'uploads'],
  ])('%s does not fit, and the answer says where', async (body, where) => {
    const answer = await post(body);
    expectProblem(answer, 'invalid_request');
    expect(answer.body.detail).toContain(where);
  });

  test('each field of a promise is checked', async () => {
    const good = promiseOf(jpeg('a.jpg'));
    for (const [field, value] of Object.entries({
      clientId: '',
      filename: '',
      mimeType: 'x'.repeat(256),
      size: -1,
      checksum: 'F'.repeat(64),
      owner: 'me',
    })) {
      const files = [good, { ...good, [field]: value }];
      const answer = await app.user().call('POST', '/api/upload-urls', { files });
      expectProblem(answer, 'invalid_request');
      expect(answer.body.detail).toContain(field);
      expect(answer.body.detail).toContain('files[1]');
    }
    for (const size of [1.5, 1e300, '5', null]) {
      const files = [{ ...good, size }];
      expectProblem(
        await app.user().call('POST', '/api/upload-urls', { files }),
        'invalid_request',
      );
    }
  });

  test('a form or plain text, as other sites can send them, is not taken', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      expectProblem(await post('{}', { 'content-type': type }), 'unsupported_media_type');
    }
    expectProblem(
      await post('{}', { 'content-type': 'Application/JSON; charset=utf-8' }),
      'invalid_request',
    );
  });

  test('a body that is too large is refused, declared or not', async () => {
    expectProblem(await post(`"${'x'.repeat(MAX_JSON_BYTES)}"`), 'body_too_large');
    const status = await new Promise((resolve, reject) => {
      const request = httpRequest(`${app.apiUrl}/api/upload-urls`, {
        method: 'POST',
        headers: { 'x-user': 'ada', 'content-type': 'application/json', connection: 'keep-alive' },
      });
      request.on('response', (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      request.on('error', reject);
      for (let i = 0; i < 40; i++) request.write('x'.repeat(64 * 1024));
      request.end();
    });
    expect(status).toBe(413);
  });

  test('queries are checked like bodies', async () => {
    for (const path of [
      '/api/upload-url',
      '/api/upload-url?filename=a.jpg&mimeType=image/jpeg&size=x&checksum=y',
      '/api/assets?limit=0',
      '/api/assets?limit=201',
      '/api/assets?stage=done',
      '/api/assets?cursor=nonsense',
      '/api/assets?page=2',
      '/api/search',
      '/api/search?q=a&like=b',
      `/api/search?q=a&like=${randomUUID()}`,
      `/api/search?q=${'a'.repeat(501)}`,
      '/api/search?like=1',
    ]) {
      expectProblem(await app.user().call('GET', path), 'invalid_request');
    }
  });

  test('an unknown route is 404, a known one by another method 405 with what is allowed', async () => {
    expectProblem(await app.user().call('GET', '/api/nothing'), 'not_found');
    expectProblem(await app.user().call('GET', '/'), 'not_found');
    const wrong = await app.user().call('DELETE', '/api/assets');
    expectProblem(wrong, 'method_not_allowed');
    expect(wrong.headers.get('allow')).toBe('GET, HEAD, OPTIONS');
    expectProblem(await app.user().call('GET', '/api/upload-urls'), 'method_not_allowed');
    expectProblem(
      await app.user().call('PUT', `/api/assets/${randomUUID()}`),
      'method_not_allowed',
    );
  });
});

describe('the rate limit', () => {
  test('of 150 requests for credentials, 100 pass and the rest are told how long to wait', async () => {
    const user = app.user();
    const answers = await Promise.all(
      Array.from({ length: 150 }, (_, i) =>
        user.call('POST', '/api/upload-urls', { files: [promiseOf(jpeg(`${i}.jpg`, 20))] }),
      ),
    );
    const refused = answers.filter(({ status }) => status === 429);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(100);
    expect(refused).toHaveLength(50);
    for (const answer of refused) {
      expectProblem(answer, 'rate_limited');
      const { retryAfter, error } = answer.body;
      expect(answer.headers.get('retry-after')).toBe(String(retryAfter));
      expect(error).toBe(`Too many uploads. Please wait ${retryAfter}s and try again`);
    }
    expect(logger.lines).toContainEqual({
      level: 'warn',
      fields: { userId: user.id },
      message: `[RateLimit] User ${user.id} exceeded limit`,
    });
    // Finalizing what was sent, and other users, are not held up.
    expect((await user.finalize(randomUUID())).status).toBe(404);
    expect((await app.user().reserve([jpeg('a.jpg')]))[0]?.status).toBe('granted');
    app.advance(6000);
    expect((await user.reserve([jpeg('a.jpg')]))[0]?.status).toBe('granted');
  });
});

describe('failures of the server itself', () => {
  test('are logged with the request’s id and say nothing of the cause', async () => {
    const response = await fetch(`${app.apiUrl}/api/assets?secret=1`, {
      headers: { 'x-user': 'explode' },
    });
    const body = await response.text();
    expect(response.status).toBe(500);
    const requestId = response.headers.get('x-request-id') ?? 'none';
    expect(body).toContain(requestId);
    expect(body).not.toContain('hunter2');
    const line = logger.lines.find(({ fields }) => fields.requestId === requestId);
    expect(line).toMatchObject({ level: 'error', fields: { path: '/api/assets' } });
    expect(JSON.stringify(logger.lines)).not.toContain('secret=1');
  });

  test('a database that does not answer makes the server unready, not dead', async () => {
    expect((await app.user().call('GET', '/healthz')).body).toEqual({ status: 'ok' });
    expect((await app.user().call('GET', '/readyz')).body).toEqual({ status: 'ready' });
    const broken = createBulkheadServer({
      database: {
        ...app.database,
        db: Object.create(app.database.db, {
          getExecutor: {
            value: () => {
              throw new Error('down');
            },
          },
        }),
      },
      blobStore: app.store,
      // biome-ignore lint/suspicious/noExplicitAny: never called
      queue: {} as any,
      authorize: async () => null,
      logger,
    });
    const ask = (path: string) => broken.fetch(new Request(`http://kit.test${path}`));
    const response = await ask('/readyz');
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await response.json()).toEqual({ status: 'not ready', failed: ['database'] });
    expect((await ask('/healthz')).status).toBe(200);
    await broken.close();
  });

  test('a store whose disk has no room left makes the server unready, and the log says so', async () => {
    const dir = app.storeDir;
    const settings = { dir, publicUrl: 'http://store.test', secret: SECRET };
    const readyOf = async (minFreeBytes: number) => {
      const store = await createFileSystemStore({ ...settings, minFreeBytes });
      const {
        database: { db },
        queue,
        now: clock,
      } = app;
      return createReadinessChecker({ db, blobs: store, queue, clock, logger }).check();
    };
    expect(await readyOf(0)).toEqual({ isReady: true, failed: [] });
    expect(await readyOf(1e18)).toEqual({ isReady: false, failed: ['store'] });
    const line = logger.lines.find(({ message }) => message === 'Not ready: store');
    expect(String(line?.fields.err)).toMatch(/disk is full: \d+ MB left/);
  });
});

describe('composition', () => {
  const parts = () => ({
    database: app.database,
    blobStore: app.store,
    // biome-ignore lint/suspicious/noExplicitAny: never called
    queue: {} as any,
    logger,
  });

  test('authorize is required, and unknown options are named', () => {
    // biome-ignore lint/suspicious/noExplicitAny: what JavaScript callers may pass
    const create = createBulkheadServer as any;
    expect(() => create(parts())).toThrow(/authorize/);
    const authorize = async () => null;
    expect(() => create({ ...parts(), authorize, rateLimits: {} })).toThrow(/rateLimits/);
    expect(() => create({ ...parts(), authorize, limits: { maxFilebytes: 1 } })).toThrow(
      /limits.*maxFilebytes/,
    );
    expect(() => create({ ...parts(), authorize, limits: { maxFileBytes: -1 } })).toThrow(
      /limits.maxFileBytes/,
    );
    expect(() => create({ ...parts(), authorize, allowedOrigins: ['page.test'] })).toThrow(
      /allowedOrigins.0/,
    );
  });

  test('mounts under a path', async () => {
    const server = createBulkheadServer({
      ...parts(),
      authorize: async () => 'ada',
      basePath: '/kit/v1',
    });
    const ask = (path: string) => server.fetch(new Request(`http://host.test${path}`));
    expect((await ask('/kit/v1/api/processing-stats')).status).toBe(200);
    expect((await ask('/api/processing-stats')).status).toBe(404);
    await server.close();
  });
});

test('stats count one user’s assets, each stage within the one before', async () => {
  const user = app.user();
  const empty = statsResponseSchema.parse((await user.call('GET', '/api/processing-stats')).body);
  expect(empty.stats).toEqual({ total: 0, uploaded: 0, processed: 0, embedded: 0, failed: 0 });
  const ids: string[] = [];
  for (const name of ['a', 'b', 'c', 'd']) {
    const id = await user.upload(jpeg(`${name}.jpg`));
    await user.finalize(id);
    ids.push(id);
  }
  await app.user().upload(jpeg('a.jpg'));
  const set = (index: number, change: object) =>
    app.database.db
      .updateTable('assets')
      .set({ ...change, version: sql<number>`nextval('asset_version')` })
      .where('id', '=', ids[index] ?? '')
      .execute();
  await set(0, { processed: true, embedded: true });
  await set(1, { processed: true });
  await set(2, { failed: true });
  app.server.changes.changed([user.id]);
  const { body } = await user.call('GET', '/api/processing-stats');
  expect(body.stats).toEqual({ total: 4, uploaded: 4, processed: 2, embedded: 1, failed: 1 });
});
