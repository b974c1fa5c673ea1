import { describe, expect, it } from 'vitest';
import type { RecordedRequest } from '../../src/testing/client.ts';
import { all, createFaultWorld, photos } from '../support/fault-world.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** What was on its way when the answer came, and how early a browser's timers may fire. */
const ON_ITS_WAY_MS = 500;
const EARLY_MS = 20;

/** Requests that came while an answer had asked to wait. */
function duringWait(requests: readonly RecordedRequest[], waitMs: number): RecordedRequest[] {
  const refused = requests.filter(({ status }) => status === 429);
  expect(refused).not.toEqual([]);
  return requests.filter(({ atMs }) =>
    refused.some(({ endedAtMs }) => {
      const sinceMs = atMs - (endedAtMs ?? Number.POSITIVE_INFINITY);
      return sinceMs > ON_ITS_WAY_MS && sinceMs < waitMs - EARLY_MS;
    }),
  );
}

describe.concurrent('waiting as asked', { timeout: 30_000 }, () => {
  it('5: a 429 with Retry-After 7 holds the whole lane for seven seconds', async () => {
    const world = await createFaultWorld({ times: 1 });
    const answer = { status: 429, headers: { 'retry-after': '7' } };
    await world.server.plan([{ match: { route: 'put', nth: 5 }, do: answer }]);
    await world.upload(photos(20));
    expect(world.statuses()).toEqual(all(20));
    const puts = await world.requests('put');
    expect(duringWait(puts, 7_000)).toEqual([]);
    const refused = puts.find(({ status }) => status === 429);
    const next = puts.find(({ atMs }) => atMs > (refused?.atMs ?? 0) + 2_000);
    // Seven seconds and at most one more, so that many pages do not come back as one.
    expect((next?.atMs ?? 0) - (refused?.atMs ?? 0)).toBeLessThan(8_000 + ON_ITS_WAY_MS);
    for (const { attempts } of world.uploader.uploads()) expect(attempts.put).toBe(0);
    await world.verify();
  });

  it.each([
    ['three hours slow', -3 * HOUR_MS],
    ['three hours fast', 3 * HOUR_MS],
  ])(
    '6: a Retry-After date is read by the server’s clock when the client’s is %s',
    async (_, skewMs) => {
      const world = await createFaultWorld({ times: 1, skewMs });
      const rateLimit = { requestsPerSecond: 2, burst: 4, retryAfter: 'date' } as const;
      await world.server.behave({ rateLimit });
      const startMs = performance.now();
      await world.upload(photos(8));
      expect(world.statuses()).toEqual(all(8));
      expect(duringWait(await world.requests('put'), 1_000)).toEqual([]);
      expect(performance.now() - startMs).toBeLessThan(12_000);
      await world.verify();
    },
  );

  it.each([
    ['a day slow', -DAY_MS],
    ['a day fast', DAY_MS],
  ])('10: a client clock that is %s breaks nothing', async (_, skewMs) => {
    const world = await createFaultWorld({ skewMs });
    await world.upload(photos(20));
    expect(world.statuses()).toEqual(all(20));
    expect(Object.values(await world.putsByName())).toEqual(Array(20).fill(1));
    expect(await world.requests('credentials')).toHaveLength(
      (await world.requests('credentials')).filter(({ status }) => status === 200).length,
    );
    await world.verify();
  });

  it('10: a clock that is set while files upload breaks nothing', async () => {
    const world = await createFaultWorld();
    await world.add(photos(30));
    world.runtime.jump(DAY_MS);
    await new Promise((resolve) => setTimeout(resolve, 200));
    world.runtime.jump(-2 * DAY_MS);
    await world.uploader.done();
    expect(world.statuses()).toEqual(all(30));
    for (const { attempts } of world.uploader.uploads()) expect(attempts.put).toBe(0);
    await world.verify();
  });
});

describe.concurrent('credentials', { timeout: 30_000 }, () => {
  it('8: URLs that expired while files were queued are renewed together, at no attempt', async () => {
    const world = await createFaultWorld();
    await world.server.behave({ latencyMs: 40 });
    const isGoing = new Promise<void>((resolve) => {
      world.uploader.on('upload-finalized', () => resolve());
    });
    await world.add(photos(40));
    await isGoing;
    // What is granted already is void from here on.
    await world.server.advance(10 * 60_000);
    await world.uploader.done();
    expect(world.statuses()).toEqual(all(40));
    for (const { attempts } of world.uploader.uploads()) {
      expect(attempts).toMatchObject({ put: 0, credentials: 0 });
    }
    const refused = (await world.requests('put')).filter(({ status }) => status === 403);
    expect(refused.length).toBeGreaterThan(0);
    expect(new Set(refused.map(({ key }) => key)).size).toBe(refused.length);
    expect((await world.requests('credentials')).length).toBeLessThan(25);
    await world.verify();
  });

  it('9: a store that refuses one file for good costs that file, after one new credential', async () => {
    const world = await createFaultWorld();
    const body = '<Error><Code>AccessDenied</Code></Error>';
    const match = { route: 'put', filename: 'photo-7.jpg' } as const;
    await world.server.plan([{ match, do: { status: 403, body } }]);
    await world.upload(photos(20));
    expect(world.uploader.failures()).toMatchObject([
      { name: 'photo-7.jpg', status: 'dead', failure: { code: 'url_invalid', status: 403 } },
    ]);
    expect((await world.putsByName())['photo-7.jpg']).toBe(2);
    await world.verify();
  });

  it('9: a store that refuses every file stops the uploader until somebody mended it', async () => {
    const world = await createFaultWorld();
    const body = '<Error><Code>AccessDenied</Code></Error>';
    await world.server.plan([{ match: { route: 'put' }, do: { status: 403, body } }]);
    await world.add(photos(40));
    await expect.poll(() => world.uploader.getSnapshot().stop).toBe('store_refused');
    await world.quiet();
    expect(world.uploader.failures().length).toBeLessThan(15);
    await world.server.plan([]);
    world.uploader.resume();
    world.uploader.retryAll();
    await world.uploader.done();
    expect(world.statuses()).toEqual(all(40));
    await world.verify();
  });

  it('11: SignatureDoesNotMatch stops the uploader, says so, and fails no file', async () => {
    const world = await createFaultWorld();
    const body = '<Error><Code>SignatureDoesNotMatch</Code></Error>';
    await world.server.plan([{ match: { route: 'put' }, do: { status: 403, body } }]);
    await world.add(photos(30));
    await expect.poll(() => world.uploader.getSnapshot().stop).toBe('store_misconfigured');
    expect(world.uploader.getSnapshot()).toMatchObject({ state: 'paused', failed: 0 });
    expect((await world.requests('put')).length).toBeLessThanOrEqual(6);
    await world.server.plan([]);
    world.uploader.resume();
    await world.uploader.done();
    expect(world.statuses()).toEqual(all(30));
    for (const { attempts } of world.uploader.uploads()) expect(attempts.put).toBe(0);
    await world.verify();
  });

  it('71: a session that ends amid a batch is renewed once, and no file fails', async () => {
    let asked = 0;
    const world = await createFaultWorld({
      uploader: {
        onUnauthenticated: async () => {
          asked += 1;
          await world.server.plan([]);
        },
      },
    });
    const ended = { status: 401, code: 'unauthenticated' } as const;
    const match = {
      route: ['credentials', 'finalize', 'changes', 'stats'],
      nth: { from: 3 },
    } as const;
    await world.server.plan([{ match: { ...match, route: [...match.route] }, do: ended }]);
    await world.upload(photos(60));
    expect(world.statuses()).toEqual(all(60));
    expect(asked).toBe(1);
    for (const { attempts } of world.uploader.uploads()) {
      expect(attempts).toMatchObject({ credentials: 0, finalize: 0 });
    }
    await world.verify();
  });
});
