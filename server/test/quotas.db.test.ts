import { randomUUID } from 'node:crypto';
import { PROBLEMS } from 'bulkhead/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  grantedOf,
  jpeg,
  promiseOf,
  putTo,
  startTestServer,
  type TestFile,
  type TestServer,
  type TestUser,
} from './fixtures/test-server.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const EXPIRED_MS = 300_001;

let app: TestServer;
beforeAll(async () => {
  app = await startTestServer({
    limits: {
      maxOpenUploads: 500,
      maxFilesPerDay: 1200,
      maxBytesPerDay: 100_000,
      rateLimitCapacity: 10_000,
    },
  });
});
afterAll(() => app?.close());

const small = (count: number) => Array.from({ length: count }, (_, i) => jpeg(`${i}.jpg`, 20));
const ask = (user: TestUser, files: readonly TestFile[]) =>
  user.call('POST', '/api/upload-urls', { files: files.map(promiseOf) });
const codesOf = (results: { status: string; error?: { code: string } }[]) =>
  results.map(({ status, error }) => error?.code ?? status);
const rowsOf = async (user: TestUser) =>
  app.database.db.selectFrom('uploads').selectAll().where('user_id', '=', user.id).execute();

describe('open uploads', () => {
  test('who only reserves is stopped at the cap, and goes on when the reservations expired', async () => {
    const user = app.user();
    await user.reserve(small(400));
    const refused = await ask(user, small(101));
    expect(refused.status).toBe(429);
    expect(refused.body).toMatchObject({ code: 'rate_limited', retryAfter: 30 });
    expect(refused.headers.get('retry-after')).toBe('30');
    expect(refused.body.detail).toContain('400 of at most 500');
    // All or nothing: the same batch can be asked for again as it is.
    expect(await rowsOf(user)).toHaveLength(400);
    expect((await ask(user, small(100))).status).toBe(200);
    app.advance(EXPIRED_MS);
    expect(codesOf(await user.reserve(small(500)))).toEqual(Array(500).fill('granted'));
  });

  test('the wait is only as long as until the first one expires', async () => {
    const user = app.user();
    await user.reserve(small(500));
    app.advance(290_000);
    const { retryAfter } = (await ask(user, small(1))).body;
    expect(retryAfter).toBeGreaterThan(0);
    expect(retryAfter).toBeLessThanOrEqual(10);
    app.advance(retryAfter * 1000);
    expect((await ask(user, small(1))).status).toBe(200);
  });

  test('a reservation is renewed at the cap, for it counts already; an expired one counts anew', async () => {
    const user = app.user();
    const [mine, others] = [small(1), small(499)];
    await user.reserve([...mine, ...others]);
    expect((await ask(user, mine)).status).toBe(200);
    app.advance(EXPIRED_MS);
    await user.reserve(small(500));
    expect((await ask(user, mine)).status).toBe(429);
  });

  test('batches at once cannot exceed the cap together', async () => {
    const user = app.user();
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask(user, small(100))));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([...Array(5).fill(200), ...Array(7).fill(429)]);
    expect(await rowsOf(user)).toHaveLength(500);
  });

  test('finalizing frees them', async () => {
    const user = app.user();
    const id = await user.upload(jpeg('a.jpg', 20));
    await user.reserve(small(499));
    expect((await ask(user, small(1))).status).toBe(429);
    expect((await user.finalize(id)).status).toBe(200);
    expect((await ask(user, small(1))).status).toBe(200);
  });

  test('users do not use up each other’s', async () => {
    await app.user().reserve(small(500));
    expect((await ask(app.user(), small(500))).status).toBe(200);
  });
});

describe('files and bytes a day', () => {
  test('files beyond the quota are refused one by one, in words, and taken the day after', async () => {
    const user = app.user();
    const ids = await fill(user, 1000);
    expect(ids).toHaveLength(1000);
    const more = small(300);
    const results = await user.reserve(more);
    expect(codesOf(results)).toEqual([
      ...Array(200).fill('granted'),
      ...Array(100).fill('quota_exceeded'),
    ]);
    expect(results[299]).toMatchObject({
      error: { detail: expect.stringContaining('At most 1,200 files a day are taken') },
    });
    app.advance(DAY_MS);
    expect(codesOf(await user.reserve(more.slice(200)))).toEqual(Array(100).fill('granted'));
  });

  test('bytes beyond the quota are refused, smaller files behind them are not', async () => {
    const user = app.user();
    const files = [60_000, 50_000, 40_000, 1].map((size) => jpeg('a.jpg', size));
    const results = await user.reserve(files);
    expect(codesOf(results)).toEqual(['granted', 'quota_exceeded', 'granted', 'quota_exceeded']);
    expect(results[1]).toMatchObject({
      error: { detail: expect.stringContaining('At most 97.6 KiB a day are taken') },
    });
  });

  test('the single form answers 429 with the words', async () => {
    const user = app.user();
    await user.reserve([jpeg('a.jpg', 100_000)]);
    const { clientId: _, ...promise } = promiseOf(jpeg('b.jpg'));
    const query = new URLSearchParams(Object.entries(promise).map(([k, v]) => [k, String(v)]));
    const { status, body } = await user.call('GET', `/api/upload-url?${query}`);
    expect([status, body.code]).toEqual([PROBLEMS.quota_exceeded.status, 'quota_exceeded']);
    expect(body.detail).toContain('a day are taken');
  });

  test('batches at once cannot exceed a quota together', async () => {
    const user = app.user();
    const answers = await Promise.all(
      Array.from({ length: 15 }, () => user.reserve([jpeg('a.jpg', 9_000)])),
    );
    const codes = codesOf(answers.flat()).sort();
    expect(codes).toEqual([...Array(11).fill('granted'), ...Array(4).fill('quota_exceeded')]);
  });

  test('what expires, is rejected, or turns out a duplicate is refunded; an asset is not', async () => {
    const user = app.user();
    const whole = () => ask(user, [jpeg('whole.jpg', 100_000)]);
    const isFree = async () => {
      const [code] = codesOf((await whole()).body.results);
      app.advance(EXPIRED_MS);
      return code === 'granted';
    };
    await user.reserve([jpeg('expires.jpg', 50_000)]);
    expect(codesOf((await whole()).body.results)).toEqual(['quota_exceeded']);
    app.advance(EXPIRED_MS);
    expect(await isFree()).toBe(true);

    const broken: TestFile = { ...jpeg('a.jpg'), bytes: new Uint8Array(50_000) };
    expect((await user.finalize(await user.upload(broken))).body.code).toBe('not_an_image');
    expect(await isFree()).toBe(true);

    const file = jpeg('twice.jpg', 40_000);
    const copy = { ...file, clientId: randomUUID() };
    const [first, second] = [await user.upload(file), await user.upload(copy)];
    await user.finalize(first);
    expect((await user.finalize(second)).body.asset.isDuplicate).toBe(true);
    const rest = await user.reserve([jpeg('rest.jpg', 60_000), jpeg('one-too-many.jpg', 1)]);
    expect(codesOf(rest)).toEqual(['granted', 'quota_exceeded']);
  });

  test('what was uploaded after its refund is charged at finalize, and waits for a day with room', async () => {
    const user = app.user();
    const late = await user.upload(jpeg('late.jpg', 60_000));
    app.advance(EXPIRED_MS);
    await user.finalize(await user.upload(jpeg('other.jpg', 60_000)));
    const refused = await user.finalize(late);
    expect(refused.body.code).toBe('quota_exceeded');
    const [row] = (await rowsOf(user)).filter(({ id }) => id === late);
    expect(row?.state).toBe('pending');
    app.advance(DAY_MS);
    expect((await user.finalize(late)).body.asset.id).toBe(late);
  });

  test('of late ones in a batch those that fit are taken, and a repeat says the same', async () => {
    const user = app.user();
    const ids: string[] = [];
    for (const size of [40_000, 50_000, 30_000]) {
      ids.push(await user.upload(jpeg('late.jpg', size)));
      app.advance(EXPIRED_MS);
    }
    const uploads = ids.map((assetId) => ({ assetId }));
    for (let repeat = 0; repeat < 2; repeat++) {
      const { results } = (await user.call('POST', '/api/upload-complete', { uploads })).body;
      const codes = results.map((result: { success: boolean; error?: { code: string } }) =>
        result.success ? 'finalized' : result.error?.code,
      );
      expect(codes).toEqual(['finalized', 'finalized', 'quota_exceeded']);
    }
  });

  test('a finalize in time is never refused, however full the day is', async () => {
    const user = app.user();
    const id = await user.upload(jpeg('a.jpg', 100_000));
    expect((await user.finalize(id)).status).toBe(200);
  });

  test('the sweep forgets hours that no longer count', async () => {
    const user = app.user();
    await user.finalize(await user.upload(jpeg('a.jpg', 20)));
    const hours = () =>
      app.database.db
        .selectFrom('upload_usage')
        .selectAll()
        .where('user_id', '=', user.id)
        .execute();
    await app.server.sweep();
    expect(await hours()).toMatchObject([{ files: 1, bytes: 20 }]);
    app.advance(DAY_MS);
    await app.server.sweep();
    expect(await hours()).toEqual([]);
  });
});

describe('one request for a million files', () => {
  test.each([
    ['of their promises', 'body_too_large', promiseOf(jpeg('a.jpg'))],
    ['of as little as can be', 'batch_too_large', 0],
  ])('is refused as too large: %s', async (_, code, item) => {
    const body = JSON.stringify({ files: Array(1_000_000).fill(item) });
    const user = app.user();
    const answer = await user.call('POST', '/api/upload-urls', body);
    expect([answer.status, answer.body.code]).toEqual([413, code]);
    expect(await rowsOf(user)).toEqual([]);
  });
});

/** Uploads and finalizes so many files of 20 bytes each, by the shortest way. */
async function fill(user: TestUser, count: number): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) {
    const files = small(Math.min(100, count - ids.length));
    const credentials = (await user.reserve(files)).map(grantedOf);
    await Promise.all(
      credentials.map((credential, i) => putTo(credential, files[i]?.bytes ?? new Uint8Array())),
    );
    const uploads = credentials.map(({ assetId }) => ({ assetId }));
    const { results } = (await user.call('POST', '/api/upload-complete', { uploads })).body;
    for (const { asset } of results) ids.push(asset.id);
  }
  return ids;
}
