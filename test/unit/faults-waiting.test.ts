import { describe, expect, it } from 'vitest';
import { UploadError } from '../../src/errors/upload-error.ts';
import { createMemoryWorld } from '../support/memory-world.ts';
import { textFiles } from '../support/uploader-world.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

describe('rate limits', { timeout: 60_000 }, () => {
  it('5: a Retry-After of seven seconds is kept to the millisecond by the whole lane', async () => {
    const world = createMemoryWorld({
      put: (key) => {
        if (key === 'asset-20' && world.timesOf('put').length < 30) {
          throw new UploadError('rate_limited', 'slow', { status: 429, retryAfterMs: 7_000 });
        }
      },
    });
    await world.uploader.add(textFiles(100));
    await world.finish();
    expect(world.statuses()).toEqual({ searchable: 100 });
    const refused = world.backend.requests.find(({ status }) => status === 429);
    const fromMs = refused?.endedAtMs ?? 0;
    expect(world.timesOf('put', fromMs + 1, fromMs + 7_000)).toEqual([]);
    expect(world.timesOf('put', fromMs + 7_000, fromMs + 8_001)).not.toEqual([]);
    for (const { attempts } of world.uploader.uploads()) expect(attempts.put).toBe(0);
    await world.verify();
  });

  it('too many uploads under way are waited for: no file fails, and no attempt is spent', async () => {
    const untilMs = 5 * 60_000;
    const world = createMemoryWorld(({ runtime }) => ({
      credentials(_, call) {
        // Reservations that a killed tab left behind, until they expire.
        if (call > 2 && runtime.now() < untilMs) {
          const detail = 'Too many uploads are under way';
          throw new UploadError('rate_limited', detail, { status: 429, retryAfterMs: 30_000 });
        }
      },
    }));
    await world.uploader.add(textFiles(1_000));
    await world.finish();
    expect(world.statuses()).toEqual({ searchable: 1_000 });
    for (const { attempts } of world.uploader.uploads()) expect(attempts.credentials).toBe(0);
    const refused = world.backend.requests.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(5);
    expect(refused.length).toBeLessThanOrEqual(10);
    await world.verify();
  });

  it.each([
    [10, 3_000],
    [50, 5_000],
    [100, 10_000],
  ])(
    '7: without Retry-After the rate finds a limit of %i a second, and hardly ever exceeds it',
    async (perSecond, files) => {
      let tokens: number = perSecond;
      let filledMs = 0;
      const refusals: number[] = [];
      const world = createMemoryWorld(({ runtime }) => ({
        put() {
          const nowMs = runtime.now();
          tokens = Math.min(perSecond, tokens + ((nowMs - filledMs) * perSecond) / 1_000);
          filledMs = nowMs;
          if (tokens < 1) {
            refusals.push(nowMs);
            throw new UploadError('rate_limited', 'slow', { status: 429 });
          }
          tokens -= 1;
        },
      }));
      await world.uploader.add(textFiles(files));
      await world.finish();
      expect(world.statuses()).toEqual({ searchable: files });
      const puts = world.timesOf('put');
      const lastMs = puts.at(-1) ?? 0;
      // The long run: the second half.
      const midMs = lastMs / 2;
      const late = puts.filter((atMs) => atMs > midMs);
      const rate = late.length / ((lastMs - midMs) / 1_000);
      expect(rate).toBeGreaterThan(perSecond * 0.9);
      expect(rate).toBeLessThan(perSecond * 1.1);
      expect(refusals.length / puts.length).toBeLessThanOrEqual(0.01);
      expect(refusals.filter((atMs) => atMs > midMs).length / late.length).toBeLessThanOrEqual(
        0.01,
      );
      for (const { attempts } of world.uploader.uploads()) expect(attempts.put).toBe(0);
      await world.verify();
    },
  );
});

describe('clocks and credentials', { timeout: 60_000 }, () => {
  it('8: credentials that lapse in the queue are renewed in batches, each file once for each URL', async () => {
    const world = createMemoryWorld(
      {},
      { backend: { putLatencyMs: 4_000, credentialTtlMs: 30_000 } },
    );
    await world.uploader.add(textFiles(150));
    await world.finish();
    expect(world.statuses()).toEqual({ searchable: 150 });
    expect(world.backend.requests.filter(({ status }) => status === 403)).toEqual([]);
    for (const { attempts } of world.uploader.uploads()) {
      expect(attempts).toMatchObject({ put: 0, credentials: 0, refresh: 0 });
    }
    expect(world.backend.credentialCalls).toBeLessThan(60);
    await world.verify();
  });

  it('8: credentials that live for ten seconds are used, not renewed without end', async () => {
    const world = createMemoryWorld({}, { backend: { credentialTtlMs: 10_000 } });
    await world.uploader.add(textFiles(100));
    await world.finish();
    expect(world.statuses()).toEqual({ searchable: 100 });
    expect(world.backend.credentialCalls).toBeLessThan(30);
    await world.verify();
  });

  it.each([DAY_MS, -DAY_MS])(
    '10: a wall clock that is set by %i ms amid the work changes nothing',
    async (byMs) => {
      const world = createMemoryWorld();
      await world.uploader.add(textFiles(400));
      for (let at = 0; at < 5; at += 1) {
        await world.runtime.advance(400);
        world.runtime.jumpWallClock(byMs);
      }
      await world.finish();
      expect(world.statuses()).toEqual({ searchable: 400 });
      expect(Math.max(...world.backend.puts.values())).toBe(1);
      await world.verify();
    },
  );

  it.each(['stand still', 'go on'])(
    '35: three sleeps of eight hours, in which the clocks %s, fail no file',
    async (how) => {
      const world = createMemoryWorld({}, { backend: { putLatencyMs: 500 } });
      await world.uploader.add(textFiles(200));
      for (let night = 0; night < 3; night += 1) {
        await world.runtime.advance(2_700);
        if (how === 'go on') {
          world.runtime.oversleep(8 * HOUR_MS);
        } else {
          world.backend.clockAheadMs += 8 * HOUR_MS;
          world.runtime.jumpWallClock(8 * HOUR_MS);
        }
      }
      await world.finish();
      expect(world.statuses()).toEqual({ searchable: 200 });
      for (const { attempts } of world.uploader.uploads()) expect(attempts.put).toBe(0);
      await world.verify();
    },
  );

  it('71: an answer to the old session that comes after the new one began asks nobody again', async () => {
    let asked = 0;
    let session: 'old' | 'ended' | 'new' = 'old';
    let signedInMs = 0;
    const world = createMemoryWorld(
      ({ runtime, backend }) => {
        const check = (startMs: number) => {
          if (session === 'ended' || (session === 'new' && startMs < signedInMs)) {
            throw new UploadError('unauthenticated', 'token expired', { status: 401 });
          }
        };
        return {
          credentials() {
            // It ends while a finalize is under way, which will hear of it later.
            const isUnderWay = backend.requests.some(
              ({ route, atMs, endedAtMs }) =>
                route === 'finalize' && endedAtMs === undefined && atMs + 900 > runtime.now(),
            );
            if (isUnderWay && session === 'old') session = 'ended';
            check(runtime.now() - 5);
          },
          finalize: () => check(runtime.now() - 1_000),
        };
      },
      {
        backend: { finalizeLatencyMs: 1_000 },
        onUnauthenticated: async () => {
          asked += 1;
          await world.runtime.sleep(1);
          session = 'new';
          signedInMs = world.runtime.now();
        },
      },
    );
    await world.uploader.add(textFiles(2_000));
    await world.finish();
    expect(world.statuses()).toEqual({ searchable: 2_000 });
    expect(asked).toBe(1);
    const refused = world.backend.requests.filter(({ status }) => status === 401);
    expect(new Set(refused.map(({ route }) => route))).toEqual(
      new Set(['credentials', 'finalize']),
    );
    for (const { attempts } of world.uploader.uploads()) {
      expect(attempts).toMatchObject({ credentials: 0, finalize: 0 });
    }
    await world.verify();
  });
});
