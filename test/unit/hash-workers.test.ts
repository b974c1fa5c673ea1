import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { AdaptiveHasher } from '../../src/hashing/adaptive-hasher.ts';
import { Sha256Source } from '../../src/hashing/sha256.ts';
import { createJsSha256 } from '../../src/hashing/sha256-js.ts';
import { WorkerPool } from '../../src/hashing/worker-pool.ts';
import { FakeWorkers } from '../support/hash-fake-worker.ts';
import { HangingFile } from '../support/hash-hanging-file.ts';
import { VirtualRuntime } from '../support/virtual-runtime.ts';

const { signal } = new AbortController();
const MEGABYTE = 1024 * 1024;

function world(workers = new FakeWorkers(), maxWorkers = 2) {
  const runtime = new VirtualRuntime();
  const hasher = new AdaptiveHasher({
    runtime,
    hasWebCrypto: false,
    maxBufferedBytes: 128 * MEGABYTE,
    source: new Sha256Source({ wasm: () => Promise.reject(new Error('no')), js: createJsSha256 }),
    pool: new WorkerPool({ runtime, maxWorkers, startWorker: workers.start }),
  });
  /** On virtual time, until it ends. */
  const hash = async (file: Blob): Promise<unknown> => {
    let outcome: unknown;
    hasher.hash(file, signal).then(
      (digest) => (outcome = digest),
      (error: unknown) => (outcome = error),
    );
    await runtime.advance(600_000, () => outcome !== undefined);
    return outcome;
  };
  return { runtime, workers, hasher, hash };
}

function fileOf(sizeBytes: number): { file: Blob; digest: string } {
  const bytes = new Uint8Array(sizeBytes).map((_, at) => at % 251);
  return { file: new Blob([bytes]), digest: createHash('sha256').update(bytes).digest('hex') };
}

describe('workers', () => {
  it('are started when there is a file, and the second when the first is busy', async () => {
    const { hasher, workers, runtime } = world(new FakeWorkers(() => ({ answers: () => false })));
    expect(workers.started).toHaveLength(0);
    void hasher.hash(fileOf(10).file, signal);
    await runtime.advance(1);
    expect(workers.started).toHaveLength(1);
    for (let file = 0; file < 7; file += 1) {
      void hasher.hash(fileOf(10).file, signal);
      await runtime.advance(1);
    }
    expect(workers.started).toHaveLength(2);
    // The second was still starting when the second file came.
    expect(workers.started.map(({ requests }) => requests.length)).toEqual([4, 4]);
  });

  it('that owe an answer are silent for half a minute, then replaced', async () => {
    const workers = new FakeWorkers((index) => ({ answers: () => index > 0 }));
    const { hash, hasher, runtime } = world(workers, 1);
    const { file, digest } = fileOf(5 * MEGABYTE);
    expect(await hash(file)).toBe(digest);
    expect(runtime.now()).toBe(30_000);
    expect(workers.started).toHaveLength(2);
    expect(workers.started[0]?.isTerminated).toBe(true);
    expect(hasher.mode).toMatchObject({ worker: 'running', workersLost: 1 });
  });

  it('that owe nothing may be silent: the drive is what is slow', async () => {
    const workers = new FakeWorkers();
    const { hash, runtime } = world(workers, 1);
    let reads = 0;
    const file = new HangingFile({
      sizeBytes: 8 * MEGABYTE,
      fate: (_from, to) => {
        reads += 1;
        return to > 4 * MEGABYTE && to < 8 * MEGABYTE ? 'hangs' : 'reads';
      },
    });
    expect(await hash(file)).toMatch(/^[0-9a-f]{64}$/);
    const slow = new HangingFile({
      sizeBytes: 8 * MEGABYTE,
      fate: (from, to) => (to - from > 1 && from > 0 ? 'hangs' : 'reads'),
    });
    expect(await hash(slow)).toMatchObject({ code: 'hashing_failed' });
    expect(runtime.now()).toBeGreaterThan(30_000);
    expect(workers.started).toHaveLength(1);
    expect(reads).toBe(2);
    // What was begun is forgotten there.
    expect(workers.started[0]?.drops).toHaveLength(1);
  });

  it('that crash after they answered take nothing with them', async () => {
    const workers = new FakeWorkers();
    const { hash, hasher } = world(workers, 1);
    const { file, digest } = fileOf(1_000);
    expect(await hash(file)).toBe(digest);
    workers.started[0]?.crash();
    expect(await hash(file)).toBe(digest);
    expect(workers.started).toHaveLength(2);
    expect(hasher.mode.workersLost).toBe(1);
  });

  it('that never run are waited for five seconds, once, and not for ever', async () => {
    const workers = new FakeWorkers(() => ({ runs: false }));
    const { hash, hasher, runtime } = world(workers);
    const { file, digest } = fileOf(1_000);
    expect(await hash(file)).toBe(digest);
    expect(runtime.now()).toBe(5_000);
    expect(await hash(file)).toBe(digest);
    expect(runtime.now()).toBe(5_000);
    await runtime.advance(30_000);
    expect(hasher.mode).toMatchObject({ worker: 'blocked', slices: 'js' });
    expect(await hash(file)).toBe(digest);
    expect(workers).toMatchObject({ alive: 0, started: { length: 1 } });
  });

  it('are ended after half a minute without a file, not amid one', async () => {
    const workers = new FakeWorkers();
    const { hash, runtime } = world(workers, 1);
    await hash(fileOf(1_000).file);
    await runtime.advance(20_000);
    await hash(fileOf(1_000).file);
    await runtime.advance(29_000);
    expect(workers.alive).toBe(1);
    await runtime.advance(1_001);
    expect(workers.alive).toBe(0);
    await hash(fileOf(1_000).file);
    expect(workers).toMatchObject({ alive: 1, started: { length: 2 } });
  });

  it('have one slice ready besides the one they hash, and no more', async () => {
    const workers = new FakeWorkers(() => ({ answers: () => false }));
    const { hasher, runtime } = world(workers, 1);
    const file = new HangingFile({ sizeBytes: 100 * MEGABYTE, fate: () => 'reads' });
    void hasher.hash(file, signal);
    await runtime.advance(1_000);
    const [worker] = workers.started;
    expect(worker?.requests.map(({ bytes }) => bytes.byteLength)).toEqual([
      4 * MEGABYTE,
      4 * MEGABYTE,
    ]);
    // And one more is read.
    expect(file.reads).toHaveLength(3);
  });
});

describe('hashing in the page', () => {
  it('gives the page a turn whenever it worked for some milliseconds', async () => {
    const runtime = new VirtualRuntime();
    let turns = 0;
    let workMs = 0;
    let longestMs = 0;
    runtime.now = () => workMs;
    let turnMs = 0;
    runtime.yieldToPage = async () => {
      turns += 1;
      longestMs = Math.max(longestMs, workMs - turnMs);
      turnMs = workMs;
    };
    // A slow phone: five milliseconds for each piece that is hashed.
    const slow = {
      ...createJsSha256(),
      update() {
        workMs += 5;
      },
    };
    const hasher = new AdaptiveHasher({
      runtime,
      hasWebCrypto: false,
      maxBufferedBytes: 0,
      source: new Sha256Source({ wasm: async () => slow, js: createJsSha256 }),
      pool: new WorkerPool({
        runtime,
        maxWorkers: 1,
        startWorker() {
          throw new Error('forbidden');
        },
      }),
    });
    const file = new HangingFile({ sizeBytes: 20 * MEGABYTE, fate: () => 'reads' });
    await hasher.hash(file, signal);
    expect(workMs).toBe(80 * 5);
    expect(turns).toBeGreaterThan(20);
    expect(longestMs).toBeLessThanOrEqual(20);
  });
});

describe('what hashes slices', () => {
  it('is JavaScript where WASM cannot be had, and is asked for once', async () => {
    let asked = 0;
    const source = new Sha256Source({
      wasm() {
        asked += 1;
        return Promise.reject(new WebAssembly.CompileError('disallowed'));
      },
      js: createJsSha256,
    });
    expect(source.engine).toBeUndefined();
    const [first, second] = [await source.take(), await source.take()];
    expect(asked).toBe(1);
    expect(source.engine).toBe('js');
    first.update(new TextEncoder().encode('something else'));
    source.give(first);
    const again = await source.take();
    expect(again).toBe(first);
    again.update(new TextEncoder().encode('abc'));
    second.update(new TextEncoder().encode('abc'));
    expect(again.end()).toBe(second.end());
  });
});
