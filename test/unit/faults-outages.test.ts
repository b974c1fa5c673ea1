import { describe, expect, it } from 'vitest';
import { UploadError } from '../../src/errors/upload-error.ts';
import { createMemoryWorld } from '../support/memory-world.ts';
import { textFiles } from '../support/uploader-world.ts';

const MINUTE_MS = 60_000;
const OUTAGE = { fromMs: 60, toMs: 10 * MINUTE_MS };
/** Probes whose connections end as network failures have no status to tell an outage by. */
const PROBED = { maxPutAttempts: Number.POSITIVE_INFINITY };

const FAILURES = {
  'no connection': () => new UploadError('network_failed', 'gone'),
  '500': () => new UploadError('internal', 'boom', { status: 500 }),
  '502': () => new UploadError('internal', 'bad gateway', { status: 502 }),
  '503': () => new UploadError('unavailable', 'down', { status: 503 }),
} as const;
const KINDS = Object.keys(FAILURES) as (keyof typeof FAILURES)[];

describe('ten minutes without the other side', { timeout: 60_000 }, () => {
  it.each(KINDS)(
    '20: ten minutes without the API (%s) fail no file and cost no attempt',
    async (kind) => {
      const world = createMemoryWorld(({ runtime }) => {
        const fail = () => {
          if (runtime.now() >= OUTAGE.fromMs && runtime.now() < OUTAGE.toMs) throw FAILURES[kind]();
        };
        return { credentials: fail, finalize: fail };
      });
      await world.uploader.add(textFiles(400));
      await world.runtime.advance(MINUTE_MS);
      // What had a credential was sent.
      const { byStatus, failed } = world.uploader.getSnapshot();
      expect([byStatus.ready, byStatus.uploading, failed]).toEqual([0, 0, 0]);
      await world.finish();
      expect(world.statuses()).toEqual({ searchable: 400 });
      const probes = world.timesOf('credentials', OUTAGE.fromMs + 5_000, OUTAGE.toMs);
      expect(probes.length).toBeLessThan(60);
      // It went on soon after.
      expect(world.timesOf('credentials', OUTAGE.toMs)[0]).toBeLessThan(OUTAGE.toMs + 65_000);
      await world.verify();
    },
  );

  it.each(KINDS.flatMap((kind) => [20, 1_000].map((files) => [kind, files] as const)))(
    '21: ten minutes without the store (%s, %i files) fail no file, and hashing goes on up to its bound',
    async (kind, files) => {
      const world = createMemoryWorld(({ runtime }) => ({
        put() {
          if (runtime.now() >= OUTAGE.fromMs && runtime.now() < OUTAGE.toMs) throw FAILURES[kind]();
        },
      }));
      await world.uploader.add(textFiles(files));
      await world.runtime.advance(5 * MINUTE_MS);
      const { byStatus, failed, state } = world.uploader.getSnapshot();
      expect([failed, state]).toEqual([0, 'waiting']);
      const ahead = byStatus.hashed + byStatus.requesting + byStatus.ready;
      // Two full batches without credentials and two with, at most.
      expect(ahead).toBeGreaterThan(Math.min(files, 400) - 20);
      expect(ahead).toBeLessThanOrEqual(820);
      await world.finish();
      expect(world.statuses()).toEqual({ searchable: files });
      expect(world.timesOf('put', OUTAGE.fromMs + 10_000, OUTAGE.toMs).length).toBeLessThan(80);
      await world.verify(PROBED);
    },
  );

  it('23: ten minutes without a network that the browser believes in fail no file', async () => {
    const world = createMemoryWorld(({ runtime }) => {
      const fail = () => {
        if (runtime.now() >= OUTAGE.fromMs && runtime.now() < OUTAGE.toMs) {
          throw FAILURES['no connection']();
        }
      };
      return { credentials: fail, connect: fail, put: fail, finalize: fail };
    });
    await world.uploader.add(textFiles(300));
    await world.runtime.advance(5 * MINUTE_MS);
    expect(world.uploader.getSnapshot()).toMatchObject({
      state: 'waiting',
      wait: { kind: 'network' },
    });
    await world.finish();
    expect(world.statuses()).toEqual({ searchable: 300 });
    await world.verify(PROBED);
  });

  it('24: a browser that says offline all the time is probed every half minute', async () => {
    const world = createMemoryWorld(({ runtime }) => ({
      put() {
        if (runtime.now() >= OUTAGE.fromMs && runtime.now() < OUTAGE.toMs) {
          throw FAILURES['no connection']();
        }
      },
    }));
    world.runtime.setOnline(false);
    await world.uploader.add(textFiles(100));
    await world.finish();
    expect(world.statuses()).toEqual({ searchable: 100 });
    const probes = world.timesOf('put', OUTAGE.fromMs, OUTAGE.toMs);
    const gaps = probes.map((atMs, at) => (probes[at + 1] ?? OUTAGE.toMs) - atMs);
    expect(Math.max(...gaps)).toBeLessThan(32_000);
    await world.verify(PROBED);
  });
});

describe('a network that comes and goes', { timeout: 60_000 }, () => {
  it.each([
    ['at once', 0],
    ['late', 400],
  ])(
    '22: flapping every two seconds, said %s, fails no file and makes no storm',
    async (_, lateMs) => {
      let isConnected = true;
      const fail = () => {
        if (!isConnected) throw FAILURES['no connection']();
      };
      const world = createMemoryWorld(
        { credentials: fail, connect: fail, put: fail, finalize: fail },
        { backend: { putLatencyMs: 300 } },
      );
      const flap = () => {
        isConnected = !isConnected;
        world.runtime.setTimer(() => world.runtime.setOnline(isConnected), lateMs);
        if (world.runtime.now() < 3 * MINUTE_MS || !isConnected)
          world.runtime.setTimer(flap, 2_000);
      };
      world.runtime.setTimer(flap, 2_000);
      await world.uploader.add(textFiles(1_500));
      await world.finish();
      expect(world.statuses()).toEqual({ searchable: 1_500 });
      if (lateMs === 0) {
        for (const { attempts } of world.uploader.uploads()) {
          expect(attempts).toMatchObject({ put: 0, credentials: 0, finalize: 0 });
        }
      }
      // Of what was sent in vain, at most the six that were under way and one probe a second.
      const inVain = world.backend.requests.filter(({ status }) => status === undefined);
      const seconds = world.runtime.now() / 1_000;
      expect(inVain.length).toBeLessThan(seconds * 3);
      await world.verify(PROBED);
    },
  );

  it('1: drops in bursts halve the concurrency, and each file goes on by itself', async () => {
    let isDropping = false;
    const world = createMemoryWorld(
      {
        put: (key, attempt) => {
          if (isDropping && attempt === 1 && Number(key.split('-')[1]) % 3 > 0) {
            throw FAILURES['no connection']();
          }
        },
      },
      { maxConcurrency: 24, backend: { putLatencyMs: 400 } },
    );
    await world.uploader.add(textFiles(1_200));
    await world.runtime.advance(15_000);
    const before = world.uploader.getSnapshot().concurrency;
    isDropping = true;
    await world.runtime.advance(2_500);
    isDropping = false;
    expect(before).toBeGreaterThan(8);
    expect(world.uploader.getSnapshot().concurrency).toBeLessThanOrEqual(before / 2);
    await world.finish();
    expect(world.statuses()).toEqual({ searchable: 1_200 });
  });
});
