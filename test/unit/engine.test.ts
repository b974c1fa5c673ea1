import { describe, expect, it } from 'vitest';
import type { TelemetrySpan } from '../../src/core/telemetry/telemetry.ts';
import type { UploaderEvent } from '../../src/core/types.ts';
import { createUploader } from '../../src/create-uploader.ts';
import { UploadError } from '../../src/errors/upload-error.ts';
import {
  createWorld,
  expectInvariants,
  textFiles,
  textHasher,
  type World,
} from '../support/uploader-world.ts';

const statusesOf = ({ uploader }: World) => [...uploader.uploads()].map(({ status }) => status);
const brokenKey = (key: string) => (asked: string) => {
  if (asked === key) throw new UploadError('internal', 'boom', { status: 500 });
};

describe('dead letters', () => {
  async function withDeadLetter() {
    const faults: { put?: (key: string) => void } = { put: brokenKey('asset-2') };
    const world = createWorld(faults);
    await world.uploader.add([...textFiles(30), new File([], 'empty.jpg')]);
    await world.finish();
    return { world, mend: () => delete faults.put };
  }

  it('tell the cause, the last response and every attempt with its time', async () => {
    const { world } = await withDeadLetter();
    const letters = world.uploader.deadLetters.list();
    expect(letters).toHaveLength(2);
    const dead = letters.find(({ cause }) => cause === 'server');
    expect(dead).toMatchObject({ failure: { code: 'internal', status: 500 }, canRedrive: true });
    expect(dead?.attempts).toHaveLength(5);
    const times = dead?.attempts.map(({ atMs }) => atMs) ?? [];
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(dead?.failedMs).toBe(times.at(-1));
    expect(world.uploader.deadLetters.countByCause()).toMatchObject({ server: 1, invalid: 1 });
  });

  it('are redriven by cause, first in line, and what would be refused again is left', async () => {
    const { world, mend } = await withDeadLetter();
    mend();
    expect(world.uploader.deadLetters.redrive({ cause: 'invalid' })).toBe(0);
    expect(world.uploader.deadLetters.redrive({ cause: 'server' })).toBe(1);
    await world.finish();
    expect(world.backend.library.size).toBe(30);
    expect(world.uploader.deadLetters.list().map(({ cause }) => cause)).toEqual(['invalid']);
  });

  it('are redriven one by one', async () => {
    const { world, mend } = await withDeadLetter();
    mend();
    const [letter] = world.uploader.deadLetters.list({ cause: 'server' });
    expect(world.uploader.deadLetters.redrive({ id: letter?.id ?? '' })).toBe(1);
    await world.finish();
    expect(world.backend.library.size).toBe(30);
  });

  it('give an urgent upload ten attempts', async () => {
    const { world } = await withDeadLetter();
    world.uploader.deadLetters.redrive('all');
    await world.finish();
    expect(world.backend.puts.get('asset-2')).toBe(15);
  });

  it('are exported as JSON and as CSV without formulas', async () => {
    const world = createWorld({ put: brokenKey('asset-1') });
    await world.uploader.add([new File(['x'], '=cmd("a"),b.jpg', { type: 'image/jpeg' })]);
    await world.finish();
    const [letter] = JSON.parse(world.uploader.deadLetters.export('json'));
    expect(letter).toMatchObject({ name: '=cmd("a"),b.jpg', cause: 'server' });
    const [header, line] = world.uploader.deadLetters.export('csv').split('\r\n');
    expect(header).toBe('path,name,size_bytes,cause,code,message,status,attempts,failed_at');
    expect(line).toMatch(/^"'=cmd\(""a""\),b\.jpg",/);
    expect(line).toContain('server,internal,boom,500,5,');
  });

  it('are cleared, no longer count, and may be added again', async () => {
    const { world, mend } = await withDeadLetter();
    mend();
    expect(world.uploader.deadLetters.clear()).toBe(2);
    expect(await world.uploader.done()).toMatchObject({ failed: 0, total: 29 });
    expect((await world.uploader.add(textFiles(30))).added).toBe(1);
    await world.finish();
    expect(world.backend.library.size).toBe(30);
    expectInvariants(world);
  });

  it('are announced as events', async () => {
    const world = createWorld({ put: brokenKey('asset-1') });
    const events: UploaderEvent[] = [];
    world.uploader.on('upload-dead-lettered', (event) => events.push(event));
    world.uploader.on('dead-letters-redriven', (event) => events.push(event));
    await world.uploader.add(textFiles(1));
    await world.finish();
    world.uploader.retryAll();
    expect(events).toMatchObject([
      { type: 'upload-dead-lettered', kind: 'server' },
      { type: 'dead-letters-redriven', count: 1 },
    ]);
  });
});

describe('control', () => {
  it('pauses and resumes one batch while the other goes on', async () => {
    const world = createWorld();
    const first = await world.uploader.add(textFiles(50));
    const second = await world.uploader.add(
      textFiles(50, (index) => `other ${index}`).map(renamed),
    );
    world.uploader.pause({ batchId: first.batchId });
    await world.runtime.advance(120_000);
    const manifest = (batchId: string) => world.uploader.manifest(batchId).map((row) => row.status);
    expect(new Set(manifest(second.batchId))).toEqual(new Set(['searchable']));
    expect(manifest(first.batchId)).not.toContain('searchable');
    world.uploader.resume({ batchId: first.batchId });
    await world.finish();
    expect(new Set(statusesOf(world))).toEqual(new Set(['searchable']));
    expectInvariants(world);
  });

  it('takes back the PUT of a paused upload and sends it anew', async () => {
    const world = createWorld({}, { backend: { putLatencyMs: 1_000 } });
    await world.uploader.add(textFiles(1));
    await world.runtime.advance(300);
    const [upload] = world.uploader.uploads();
    expect(upload?.status).toBe('uploading');
    world.uploader.pause({ id: upload?.id ?? '' });
    await world.runtime.advance(60_000);
    expect(world.backend.library.size).toBe(0);
    world.uploader.resume({ id: upload?.id ?? '' });
    await world.finish();
    expect(statusesOf(world)).toEqual(['searchable']);
    expect([...world.uploader.uploads()][0]?.attempts.put).toBe(0);
  });

  it('cancels one batch only', async () => {
    const world = createWorld();
    const first = await world.uploader.add(textFiles(20));
    await world.uploader.add(textFiles(20, (index) => `other ${index}`).map(renamed));
    world.uploader.abort({ batchId: first.batchId });
    await world.finish();
    const { byStatus } = world.uploader.getSnapshot();
    expect(byStatus).toMatchObject({ cancelled: 20, searchable: 20 });
  });

  it('sends a boosted file before those that were there first', async () => {
    const world = createWorld();
    await world.uploader.add(textFiles(500));
    const uploads = [...world.uploader.uploads()];
    const last = uploads.at(-1);
    world.uploader.boost({ id: last?.id ?? '' });
    const order = await storedOrder(world);
    expect(order.indexOf(last?.id ?? '')).toBeLessThan(60);
  });

  it('sends the background last', async () => {
    const world = createWorld({}, { autoStart: false });
    await world.uploader.add(textFiles(20), { priority: 'background' });
    await world.uploader.add(textFiles(200, (index) => `other ${index}`).map(renamed));
    const background = [...world.uploader.uploads()].slice(0, 20).map(({ id }) => id);
    const order = await storedOrder(world);
    const first = Math.min(...background.map((id) => order.indexOf(id)));
    expect(first).toBeGreaterThan(120);
  });

  it.each([
    ['smallest', (a: number, b: number) => a - b],
    ['newest', (a: number, b: number) => b - a],
  ] as const)('sends the %s first when told to', async (order, compare) => {
    const world = createWorld({}, { order, autoStart: false });
    const numbers = Array.from({ length: 300 }, (_, index) => (index * 37) % 300);
    await world.uploader.add(
      numbers.map(
        (number) =>
          new File([`${number} `.padEnd(10 + number, 'x')], `${number}.jpg`, {
            type: 'image/jpeg',
            lastModified: number,
          }),
      ),
    );
    const sent = (await storedOrder(world)).map(
      (id) => world.uploader.get(id)?.lastModifiedMs ?? 0,
    );
    const half = sent.slice(0, 150);
    const ideal = [...sent].sort(compare).slice(0, 150);
    const common = half.filter((value) => ideal.includes(value)).length;
    expect(common).toBeGreaterThan(140);
  });

  it('keeps the mean speed below a cap', async () => {
    const world = createWorld({}, { maxBytesPerSecond: 10_000 });
    await world.uploader.add(textFiles(100, (index) => `${index} `.padEnd(1_000, 'x')));
    const before = world.runtime.now();
    await world.finish();
    const seconds = (world.runtime.now() - before) / 1_000;
    expect(100_000 / seconds).toBeLessThan(12_000);
    expect(100_000 / seconds).toBeGreaterThan(7_000);
    expectInvariants(world);
  });

  it('resolves done() when nothing is left, at once when there was nothing', async () => {
    const world = createWorld();
    expect(await world.uploader.done()).toMatchObject({ total: 0, state: 'idle' });
    await world.uploader.add(textFiles(10));
    let isDone = false;
    const done = world.uploader.done().then((snapshot) => {
      isDone = true;
      return snapshot;
    });
    await world.runtime.advance(50);
    expect(isDone).toBe(false);
    await world.finish();
    expect(await done).toMatchObject({ searchable: 10, state: 'idle' });
  });

  it('tells what became of each file', async () => {
    const world = createWorld();
    const { batchId } = await world.uploader.add([...textFiles(2), new File([], 'empty.jpg')]);
    await world.finish();
    const [first, , refused] = world.uploader.manifest(batchId);
    expect(first).toMatchObject({ path: 'photo-0.jpg', status: 'searchable', failedAttempts: 0 });
    expect(first?.checksum).toHaveLength(64);
    const { addedMs, hashedMs, sentMs, finalizedMs, searchableMs } = first?.times ?? {};
    const times = [addedMs, hashedMs, sentMs, finalizedMs, searchableMs];
    expect(times).toEqual([...times].sort((a, b) => Number(a) - Number(b)));
    expect(refused).toMatchObject({ status: 'rejected', failureCode: 'empty_file', assetId: null });
    const csv = world.uploader.exportManifest('csv', batchId).split('\r\n');
    expect(csv).toHaveLength(5);
    expect(csv[1]).toMatch(
      /^photo-0\.jpg,photo-0\.jpg,7,[0-9a-f]{64},asset-\d+,searchable,0,,2027/,
    );
  });
});

describe('what only somebody else can mend', () => {
  it('pauses on 401, asks the application once, and fails nothing', async () => {
    let isSignedIn = false;
    let asked = 0;
    const world: World = createWorld(
      {
        credentials: () => {
          if (!isSignedIn && world.runtime.now() > 100) {
            throw new UploadError('unauthenticated', 'token expired', { status: 401 });
          }
        },
        finalize: () => {
          if (!isSignedIn && world.runtime.now() > 100) {
            throw new UploadError('unauthenticated', 'token expired', { status: 401 });
          }
        },
      },
      {
        onUnauthenticated: async () => {
          asked += 1;
          await world.runtime.sleep(30_000);
          isSignedIn = true;
        },
      },
    );
    await world.uploader.add(textFiles(300));
    await world.runtime.advance(20_000);
    expect(world.uploader.getSnapshot()).toMatchObject({
      state: 'paused',
      stop: 'unauthenticated',
    });
    await world.finish();
    expect(asked).toBe(1);
    expect(new Set(statusesOf(world))).toEqual(new Set(['searchable']));
    for (const { attempts } of world.uploader.uploads()) expect(attempts.credentials).toBe(0);
    expectInvariants(world);
  });

  it('waits for resume() when the application gave no way to sign in', async () => {
    let isSignedIn = false;
    const world = createWorld({
      credentials: () => {
        if (!isSignedIn) throw new UploadError('unauthenticated', 'no cookie', { status: 401 });
      },
    });
    await world.uploader.add(textFiles(5));
    await world.runtime.advance(600_000);
    expect(world.backend.credentialCalls).toBe(1);
    isSignedIn = true;
    world.uploader.resume();
    await world.finish();
    expect(new Set(statusesOf(world))).toEqual(new Set(['searchable']));
  });

  it('stops when the store refuses the server’s signatures, and keeps the files', async () => {
    const world = createWorld({
      put: () => {
        throw new UploadError('store_misconfigured', 'SignatureDoesNotMatch', { status: 403 });
      },
    });
    await world.uploader.add(textFiles(100));
    await world.runtime.advance(600_000);
    const { state, stop, failed } = world.uploader.getSnapshot();
    expect({ state, stop, failed }).toEqual({
      state: 'paused',
      stop: 'store_misconfigured',
      failed: 0,
    });
    expect(world.backend.putTimes.length).toBeLessThanOrEqual(6);
  });

  it('stops when the store refuses file after file and took none', async () => {
    const world = createWorld({
      put: () => {
        throw new UploadError('store_refused', 'AccessDenied', { status: 400 });
      },
    });
    await world.uploader.add(textFiles(200));
    await world.runtime.advance(600_000);
    expect(world.uploader.getSnapshot()).toMatchObject({ stop: 'store_refused', state: 'paused' });
    expect(world.uploader.failures().length).toBeLessThan(15);
  });

  it('stops when the page may not write to a store that is there', async () => {
    const world = createWorld(
      {
        connect: () => {
          throw new UploadError('network_failed', 'status 0');
        },
      },
      { reachable: true },
    );
    await world.uploader.add(textFiles(200));
    await world.runtime.advance(600_000);
    expect(world.uploader.getSnapshot()).toMatchObject({ stop: 'store_blocked', failed: 0 });
    expect(world.backend.putTimes.length).toBeLessThan(20);
  });

  it('goes on trying when the store is not there at all', async () => {
    let isDown = true;
    const world = createWorld(
      {
        put: () => {
          if (isDown) throw new UploadError('network_failed', 'status 0');
        },
      },
      { reachable: false },
    );
    await world.uploader.add(textFiles(50));
    await world.runtime.advance(600_000);
    expect(world.uploader.getSnapshot()).toMatchObject({ stop: null, state: 'waiting', failed: 0 });
    isDown = false;
    await world.finish();
    expect(new Set(statusesOf(world))).toEqual(new Set(['searchable']));
    expectInvariants(world);
  });
});

describe('adaptive concurrency', () => {
  it('uses more slots where the store allows and rewards them', async () => {
    const world = createWorld({}, { maxConcurrency: 24, backend: { putLatencyMs: 400 } });
    await world.uploader.add(textFiles(1_500));
    await world.finish();
    expect(world.backend.maxConcurrentPuts).toBeGreaterThan(15);
    expect(world.uploader.getSnapshot().searchable).toBe(1_500);
  });

  it('takes fewer slots after a 429, holds the lane, and spaces requests out', async () => {
    let refusals = 0;
    let tokens = 20;
    let refilledMs = 0;
    const world: World = createWorld({
      put: () => {
        const now = world.runtime.now();
        tokens = Math.min(20, tokens + ((now - refilledMs) * 20) / 1_000);
        refilledMs = now;
        if (tokens < 1) {
          refusals += 1;
          throw new UploadError('rate_limited', 'slow', { status: 429, retryAfterMs: 1_000 });
        }
        tokens -= 1;
      },
    });
    await world.uploader.add(textFiles(1_200));
    await world.finish();
    expect(world.uploader.getSnapshot().searchable).toBe(1_200);
    expect(refusals / world.backend.putTimes.length).toBeLessThan(0.02);
    const seconds = world.runtime.now() / 1_000;
    expect(seconds).toBeLessThan((1_200 / 20) * 1.25);
    for (const { attempts } of world.uploader.uploads()) expect(attempts.put).toBe(0);
  });
});

describe('telemetry', () => {
  it('gives percentiles of each stage and retries by cause', async () => {
    const world = createWorld({ put: brokenKey('asset-1') });
    await world.uploader.add(textFiles(100));
    await world.finish();
    const { stages, retries } = world.uploader.telemetry();
    expect(stages.put.count).toBe(99);
    expect(stages.put.p50).toBeGreaterThan(35);
    expect(stages.put.p50).toBeLessThan(45);
    expect(stages.total.p99).toBeGreaterThanOrEqual(stages.total.p50);
    expect(retries.server).toBe(4);
  });

  it('hands every step to a sink, which may throw', async () => {
    const spans: TelemetrySpan[] = [];
    const world = createWorld(
      {},
      {
        telemetry: (span) => {
          spans.push(span);
          throw new Error('sink');
        },
      },
    );
    await world.uploader.add(textFiles(3));
    await world.finish();
    const stages = new Set(spans.map(({ stage }) => stage));
    expect(stages).toEqual(
      new Set(['hash', 'credentials', 'put', 'finalize', 'processing', 'total']),
    );
    expect(JSON.stringify(spans)).not.toContain('memory:');
    expect(world.uploader.getSnapshot().searchable).toBe(3);
  });

  it('traces every change while it is on', async () => {
    const world = createWorld();
    const lines: string[] = [];
    world.uploader.trace(true, (line) => lines.push(line));
    await world.uploader.add(textFiles(1));
    await world.finish();
    expect(lines.some((line) => line.includes('uploading → uploaded'))).toBe(true);
    const { length } = lines;
    world.uploader.trace(false);
    await world.uploader.add(textFiles(1, () => 'other').map(renamed));
    await world.finish();
    expect(lines).toHaveLength(length);
  });
});

describe('hard cases', () => {
  it.each([
    [
      '503 with Retry-After',
      () => new UploadError('unavailable', 'down', { status: 503, retryAfterMs: 1_000 }),
    ],
    ['503 without', () => new UploadError('unavailable', 'down', { status: 503 })],
    [
      '429 with Retry-After',
      () => new UploadError('rate_limited', 'slow', { status: 429, retryAfterMs: 1_000 }),
    ],
  ])('is back at full speed soon after two minutes of nothing but %s', async (_name, error) => {
    const world: World = createWorld({
      put: () => {
        const now = world.runtime.now();
        if (now > 1_000 && now < 120_000) throw error();
      },
    });
    await world.uploader.add(textFiles(1_000));
    await world.finish(8 * 60_000);
    expect(world.uploader.getSnapshot().searchable).toBe(1_000);
    expectInvariants(world);
  });

  it('does not take a file for a duplicate of one that has other bytes by now', async () => {
    const world = createWorld({ put: brokenKey('asset-1') });
    const named = (text: string, name: string) =>
      new File([text], name, { type: 'image/jpeg', lastModified: 1 });
    await world.uploader.add([named('AAAA', 'scan.jpg')]);
    await world.finish();
    expect(statusesOf(world)).toEqual(['dead']);
    await world.uploader.add([named('BBBB', 'scan.jpg')]);
    await world.uploader.add([named('AAAA', 'copy.jpg')]);
    await world.runtime.advance(600_000);
    const copy = [...world.uploader.uploads()].find(({ name }) => name === 'copy.jpg');
    expect(copy?.status).not.toBe('duplicate');
  });

  it.each(['reset', 'lost'] as const)(
    'gives up files that are always %s while the rest goes through',
    async (how) => {
      const bad = new Set(['asset-1', 'asset-2']);
      const world = createWorld({
        put: (key) => {
          if (how === 'reset' && bad.has(key)) throw new UploadError('network_failed', 'reset');
        },
        putStored: (key) => {
          if (how !== 'lost' || !bad.has(key)) return undefined;
          world.backend.objects.delete(key);
          return 'lost';
        },
      });
      await world.uploader.add(textFiles(50));
      await world.finish(3_600_000);
      expect(world.uploader.getSnapshot()).toMatchObject({
        searchable: 48,
        failed: 2,
        state: 'idle',
      });
      expect(world.backend.puts.get('asset-1')).toBeLessThanOrEqual(45);
    },
  );

  it('does not call a duplicate searchable while its asset is not', async () => {
    const world = createWorld({
      processing: (checksum) => (checksum.startsWith('73616d65') ? 'failed' : undefined),
    });
    await world.uploader.add(textFiles(3, (index) => (index < 2 ? 'same' : 'other')));
    await world.finish();
    expect(world.uploader.getSnapshot()).toMatchObject({
      uploaded: 3,
      processed: 1,
      searchable: 1,
      failed: 1,
      duplicates: 1,
    });
    world.uploader.deadLetters.redrive('all');
    await world.finish();
    expect(world.uploader.getSnapshot()).toMatchObject({ processed: 3, searchable: 3, failed: 0 });
  });

  it('asks to sign in once, however little it helps', async () => {
    let asked = 0;
    const world = createWorld(
      {
        credentials: () => {
          throw new UploadError('unauthenticated', 'still not', { status: 401 });
        },
      },
      {
        onUnauthenticated: async () => {
          asked += 1;
        },
      },
    );
    await world.uploader.add(textFiles(5));
    await world.runtime.advance(600_000);
    expect({ asked, calls: world.backend.credentialCalls }).toEqual({ asked: 1, calls: 2 });
    expect(world.uploader.getSnapshot().stop).toBe('unauthenticated');
  });

  it('waits with done() for what was just redriven', async () => {
    const world = createWorld({ put: brokenKey('asset-1') });
    await world.uploader.add(textFiles(3));
    await world.finish();
    world.uploader.deadLetters.redrive('all');
    let isDone = false;
    void world.uploader.done().then(() => {
      isDone = true;
    });
    await world.runtime.advance(20);
    expect(isDone).toBe(false);
    await world.finish();
    expect(isDone).toBe(true);
  });

  it('leaves no timer behind when it is destroyed in the middle', async () => {
    const world = createWorld();
    await world.uploader.add(textFiles(20));
    await world.runtime.advance(30);
    const done = world.uploader.done();
    world.uploader.destroy();
    await done;
    await world.runtime.advance(1_000);
    let timers = 0;
    const setTimer = world.runtime.setTimer.bind(world.runtime);
    world.runtime.setTimer = (callback, delayMs) => {
      timers += 1;
      return setTimer(callback, delayMs);
    };
    await world.runtime.advance(3_600_000);
    expect(timers).toBe(0);
  });

  it('lets an equal file go when the one that led it is paused', async () => {
    const world = createWorld();
    await world.uploader.add(textFiles(2, () => 'same'));
    await world.runtime.advance(12);
    const [first] = world.uploader.uploads();
    world.uploader.pause({ id: first?.id ?? '' });
    await world.runtime.advance(60_000);
    expect(statusesOf(world)[1]).toBe('searchable');
    world.uploader.resume();
    await world.finish();
    expect(statusesOf(world)).toEqual(['duplicate', 'searchable']);
    expectInvariants(world);
  });

  it.each([
    ['neither stream nor questions', ['watch', 'assetChanges'], 'processing'],
    ['no stream', ['watch'], 'searchable'],
  ] as const)('ends with an adapter that has %s', async (_name, missing, status) => {
    const world = createWorld();
    const adapter = world.backend.adapter();
    for (const method of missing) delete adapter[method];
    const uploader = createUploader({
      adapter,
      runtime: world.runtime,
      hasher: textHasher(world.runtime),
    });
    await uploader.add(textFiles(3));
    let isDone = false;
    void uploader.done().then(() => {
      isDone = true;
    });
    await world.runtime.advance(60_000, () => isDone);
    expect(isDone).toBe(true);
    expect(new Set([...uploader.uploads()].map((upload) => upload.status))).toEqual(
      new Set([status]),
    );
  });

  it('cancels thousands of equal files', async () => {
    const world = createWorld({}, { autoStart: true, backend: { putLatencyMs: 10_000 } });
    await world.uploader.add(textFiles(3_000, () => 'same'));
    await world.runtime.advance(8_000);
    world.uploader.abort();
    await world.finish();
    expect(world.uploader.getSnapshot().byStatus.cancelled).toBe(3_000);
  });
});

function renamed(file: File): File {
  return new File([file], `other-${file.name}`, {
    type: file.type,
    lastModified: file.lastModified,
  });
}

/** Upload ids in the order in which the server acknowledged them. */
async function storedOrder(world: World): Promise<string[]> {
  const order: string[] = [];
  world.uploader.on('upload-finalized', ({ id }) => order.push(id));
  world.uploader.start();
  await world.finish();
  return order;
}

describe('a server that counts requests', () => {
  it('is asked for as much as each request may take, once it has refused one', async () => {
    let freeMs = 0;
    const world: World = createWorld({
      credentials: () => {
        const waitMs = freeMs - world.runtime.now();
        if (waitMs > 0) {
          throw new UploadError('rate_limited', 'slower', { status: 429, retryAfterMs: waitMs });
        }
        freeMs = world.runtime.now() + 10_000;
      },
    });
    await world.uploader.add(textFiles(1_000));
    await world.finish();
    expectInvariants(world);
    // Five full batches, and what it took to find out.
    expect(world.backend.credentialCalls).toBeLessThanOrEqual(9);
  });
});
