import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packBytes } from '../../src/core/stages/pack-plan.ts';
import { createUploader } from '../../src/create-uploader.ts';
import { UploadError } from '../../src/errors/upload-error.ts';
import type { PackOutcome } from '../../src/transports/adapter.ts';
import { defineAdapter } from '../../src/transports/define-adapter.ts';
import { grantLocally } from '../../src/transports/local-credential.ts';
import {
  createWorld,
  expectInvariants,
  textFiles,
  textHasher,
  type World,
} from '../support/uploader-world.ts';
import { VirtualRuntime } from '../support/virtual-runtime.ts';

const PACK = { maxFiles: 50, maxBytes: 100_000, maxFileBytes: 1_000 };
const network = () => new UploadError('network_failed', 'gone');
const sent = ({ backend }: World, route: 'put' | 'pack') =>
  backend.requests.filter((request) => request.route === route);
const large = (name: string) =>
  new File([name.padEnd(2_000)], name, { type: 'image/jpeg', lastModified: 1 });

async function upload(world: World, files: File[]) {
  await world.uploader.add(files);
  await world.finish();
  expectInvariants(world);
  return world.uploader.getSnapshot();
}

describe('packs', () => {
  it('bring 5,000 small files over in a fiftieth of a request each', async () => {
    const world = createWorld({}, { pack: PACK });
    const { searchable, failed } = await upload(world, textFiles(5_000));
    expect([searchable, failed]).toEqual([5_000, 0]);
    expect(Math.max(...world.backend.puts.values())).toBe(1);
    // The first credentials say that packs are taken, and nothing is finalized by itself.
    expect(sent(world, 'put')).toEqual([]);
    expect(world.backend.finalizeCalls).toBe(0);
    expect(world.backend.requests.length).toBeLessThan(5_000 / 25);
  });

  it('tell when each file was sent and finalized', async () => {
    const world = createWorld({}, { pack: PACK });
    const { batchId } = await world.uploader.add(textFiles(10));
    await world.finish();
    for (const { times } of world.uploader.manifest(batchId)) {
      expect(times?.sentMs).toBeGreaterThanOrEqual(times?.hashedMs ?? Number.NaN);
      expect(times?.sentMs).toBe(times?.finalizedMs);
    }
  });

  it('leave large files to PUTs of their own', async () => {
    const world = createWorld({}, { pack: PACK });
    const { searchable } = await upload(world, [...textFiles(100), large('a.jpg'), large('b.jpg')]);
    expect(searchable).toBe(102);
    expect(sent(world, 'put').map(({ sizeBytes }) => sizeBytes)).toEqual([2_000, 2_000]);
  });

  it('are not made where the backend takes none', async () => {
    const world = createWorld();
    await upload(world, textFiles(100));
    expect(sent(world, 'pack')).toEqual([]);
    expect(sent(world, 'put')).toHaveLength(100);
  });

  it('are not made where none of their files may be in them', async () => {
    const world = createWorld({}, { pack: { ...PACK, maxFiles: 0 } });
    await upload(world, textFiles(100));
    expect(sent(world, 'pack')).toEqual([]);
    expect(sent(world, 'put')).toHaveLength(100);
  });

  it('leave out what the server has before a byte is sent', async () => {
    const world = createWorld({}, { pack: PACK });
    await upload(world, textFiles(60));
    await upload(
      world,
      textFiles(60).map((file) => new File([file], `copy of ${file.name}`)),
    );
    const files = sent(world, 'pack').map((request) => request.files ?? 0);
    expect(files.reduce((sum, count) => sum + count, 0)).toBe(60);
    expect(world.uploader.getSnapshot().duplicates).toBe(60);
  });

  it('settle each file by itself: one that is refused harms no other', async () => {
    const refused = new UploadError('not_an_image', 'text');
    const world = createWorld(
      { packed: (name) => (name === 'photo-7.jpg' ? { failed: refused } : undefined) },
      { pack: PACK },
    );
    const { searchable, failed } = await upload(world, textFiles(40));
    expect([searchable, failed]).toEqual([39, 1]);
    const [letter] = world.uploader.deadLetters.list();
    expect(letter).toMatchObject({ name: 'photo-7.jpg', failure: { code: 'not_an_image' } });
  });

  it('that fail with one file again go on without it, by a PUT of its own', async () => {
    const world = createWorld(
      {
        pack: (names) => {
          if (names.includes('photo-3.jpg')) throw new UploadError('internal', 'crash');
        },
      },
      { pack: PACK },
    );
    const { searchable, failed } = await upload(world, textFiles(300));
    expect([searchable, failed]).toEqual([300, 0]);
    expect(sent(world, 'put').length).toBeLessThanOrEqual(50);
  });

  it('are given up for good where the server does not know them after all', async () => {
    const world = createWorld(
      {
        pack: () => {
          throw new UploadError('store_refused', 'The answer was 404.', { status: 404 });
        },
      },
      { pack: PACK },
    );
    const { searchable, failed } = await upload(world, textFiles(300));
    expect([searchable, failed]).toEqual([300, 0]);
    expect(sent(world, 'put')).toHaveLength(300);
    // Those that were under way at once.
    expect(sent(world, 'pack').length).toBeLessThanOrEqual(4);
  });

  it('wait for a server that asks for it, and cost no attempt', async () => {
    const busy = { status: 503, retryAfterMs: 20_000 };
    const world = createWorld(
      {
        pack: (_names, call) => {
          if (call === 2) throw new UploadError('unavailable', 'busy', busy);
        },
      },
      { pack: PACK },
    );
    const { searchable } = await upload(world, textFiles(400));
    expect(searchable).toBe(400);
    expect(sent(world, 'put')).toEqual([]);
    const refusedMs = sent(world, 'pack').find(({ status }) => status === 503)?.endedAtMs ?? 0;
    const during = sent(world, 'pack').filter(
      ({ atMs }) => atMs > refusedMs && atMs < refusedMs + 20_000,
    );
    expect(during).toEqual([]);
  });

  it('outlive a network that is away for ten minutes, without a dead letter', async () => {
    let isAway = false;
    const world = createWorld(
      {
        pack: () => {
          if (isAway) throw network();
        },
        put: () => {
          if (isAway) throw network();
        },
        credentials: () => {
          if (isAway) throw network();
        },
      },
      { pack: PACK },
    );
    void world.uploader.add(textFiles(1_000));
    await world.runtime.advance(300);
    isAway = true;
    await world.runtime.advance(600_000);
    isAway = false;
    await world.finish();
    expectInvariants(world);
    const { searchable, failed } = world.uploader.getSnapshot();
    expect([searchable, failed]).toEqual([1_000, 0]);
  });

  it('whose answer is lost are asked about, not sent again', async () => {
    const world = createWorld({ packStored: (call) => call <= 2 }, { pack: PACK });
    const { searchable } = await upload(world, textFiles(200));
    expect(searchable).toBe(200);
    expect(Math.max(...world.backend.puts.values())).toBe(1);
    expect(world.backend.finalizeCalls).toBeGreaterThan(0);
  });

  it('that never get an answer, though nothing arrives, give way to PUTs', async () => {
    const world = createWorld({}, { pack: PACK });
    const adapter = world.backend.adapter({ pack: PACK });
    const uploader = createUploader({
      adapter: { ...adapter, putPack: async ({ items }) => items.map(() => 'lost' as const) },
      runtime: world.runtime,
      hasher: textHasher(world.runtime),
    });
    await uploader.add(textFiles(100));
    const isOver = () => uploader.getSnapshot().uploaded + uploader.getSnapshot().failed === 100;
    await world.runtime.advance(30 * 60_000, isOver);
    expect(uploader.getSnapshot()).toMatchObject({ uploaded: 100, failed: 0 });
    expect(sent(world, 'put')).toHaveLength(100);
    uploader.destroy();
  });

  it('that are answered 503 for ever give way to PUTs, and keep no large file waiting', async () => {
    const world = createWorld(
      {
        pack: () => {
          throw new UploadError('unavailable', 'no room', { status: 503, retryAfterMs: 5_000 });
        },
      },
      { pack: PACK },
    );
    const { searchable, failed } = await upload(world, [...textFiles(100), large('a.jpg')]);
    expect([searchable, failed]).toEqual([101, 0]);
  });

  it('that lose a cancelled file bring the others over, and not that one', async () => {
    const world = createWorld({}, { pack: PACK, backend: { putLatencyMs: 1_000 } });
    void world.uploader.add(textFiles(50));
    const isSending = () =>
      [...world.uploader.uploads()].some(({ status }) => status === 'uploading');
    await world.runtime.advance(5_000, isSending);
    const victim = [...world.uploader.uploads()].find(({ status }) => status === 'uploading');
    world.uploader.abort({ id: victim?.id ?? '' });
    await world.finish();
    expectInvariants(world);
    expect(world.uploader.getSnapshot()).toMatchObject({ searchable: 49, failed: 0 });
    const names = [...world.backend.library.values()];
    expect(names).toHaveLength(49);
  });

  it('stop when everything is paused, and go on', async () => {
    const world = createWorld({}, { pack: PACK, backend: { putLatencyMs: 1_000 } });
    void world.uploader.add(textFiles(120));
    await world.runtime.advance(700);
    world.uploader.pause();
    await world.runtime.advance(60_000);
    const before = sent(world, 'pack').length;
    await world.runtime.advance(60_000);
    expect(sent(world, 'pack')).toHaveLength(before);
    world.uploader.resume();
    await world.finish();
    expectInvariants(world);
    expect(world.uploader.getSnapshot()).toMatchObject({ searchable: 120, failed: 0 });
  });
});

describe('a cap on the speed', () => {
  it('that is raised holds nobody for what the old one asked', async () => {
    const world = createWorld({}, { maxBytesPerSecond: 10 });
    void world.uploader.add(textFiles(20));
    await world.runtime.advance(2_000);
    world.uploader.setMaxBytesPerSecond(10_000);
    await world.finish(5_000);
    expect(world.uploader.getSnapshot()).toMatchObject({ searchable: 20 });
    expectInvariants(world);
  });
});

describe('how much a pack carries', () => {
  const limits = fc.record({
    maxFiles: fc.integer({ min: 1, max: 500 }),
    maxBytes: fc.integer({ min: 1, max: 64 * 1024 * 1024 }),
    maxFileBytes: fc.integer({ min: 1, max: 1024 * 1024 }),
  });

  it('is never more than the server takes, and grows with the goodput', () => {
    fc.assert(
      fc.property(
        limits,
        fc.nat(1e9),
        fc.nat(1e9),
        fc.integer({ min: 1, max: 8 }),
        (most, a, b, n) => {
          const [slow, fast] = a < b ? [a + 1, b + 1] : [b + 1, a + 1];
          expect(packBytes(most, slow, n)).toBeLessThanOrEqual(packBytes(most, fast, n));
          expect(packBytes(most, fast, n)).toBeLessThanOrEqual(most.maxBytes);
          expect(packBytes(most, fast, n)).toBeGreaterThan(0);
        },
      ),
    );
  });

  it('on a slow link goes out in a few seconds', () => {
    const bytesPerSecond = 256 * 1024;
    const bytes = packBytes({ ...PACK, maxBytes: 4 * 1024 * 1024 }, bytesPerSecond, 2);
    expect(bytes / bytesPerSecond).toBeLessThanOrEqual(2);
  });

  it.each(['pause', 'abort'] as const)(
    'end for one file’s sake, and what they answer of the others is no failure: %s',
    async (how) => {
      const runtime = new VirtualRuntime(1);
      const stored: string[] = [];
      const adapter = defineAdapter({
        name: 'one after the other',
        capabilities: { checksum: 'sha256', pack: PACK },
        async credentials(files) {
          const where = { uploadUrl: 'memory:', pathname: '' };
          return files.map((file) => grantLocally(file, where, runtime.epochNow()));
        },
        async put() {
          return 'stored';
        },
        async putPack({ items, signal }) {
          const outcomes: PackOutcome[] = [];
          for (const { upload } of items) {
            if (!signal.aborted) await runtime.sleep(1_000);
            if (signal.aborted) {
              outcomes.push({ failed: new UploadError('cancelled', 'The upload was cancelled.') });
            } else {
              stored.push(upload.name);
              outcomes.push('stored');
            }
          }
          return outcomes;
        },
      });
      const uploader = createUploader({ adapter, runtime, hasher: textHasher(runtime) });
      await uploader.add(textFiles(20));
      await runtime.advance(1_500);
      const sending = [...uploader.uploads()].filter(({ status }) => status === 'uploading');
      expect(sending.length).toBeGreaterThan(2);
      const id = sending.at(-1)?.id ?? '';
      uploader[how]({ id });
      await runtime.advance(60_000);
      const others = [...uploader.uploads()].filter((upload) => upload.id !== id);
      expect(others.filter(({ status }) => status !== 'embedding')).toEqual([]);
      expect(uploader.get(id)?.status).toBe(how === 'pause' ? 'ready' : 'cancelled');
      // What was stored before counts: nothing went twice.
      expect(new Set(stored).size).toBe(stored.length);
      expect(runtime.errors).toEqual([]);
    },
  );
});
