import { describe, expect, it, onTestFinished } from 'vitest';
import { defaultHasher } from '../../src/hashing/default-hasher.ts';
import type { Hasher } from '../../src/hashing/hasher.ts';
import { startOwnWorker } from '../../src/hashing/own-worker.ts';
import { startWorkerAt } from '../../src/hashing/start-worker.ts';
import { subtleHasher } from '../../src/hashing/subtle-hasher.ts';
import { patterned } from '../support/hash-files.ts';
import {
  createTestHasher,
  forbidWorkers,
  type TestHasherOptions,
} from '../support/hash-hashers.ts';
import {
  brokenWorker,
  confusedWorker,
  crashingWorker,
  inTurn,
  muteWorker,
  refusingWorker,
  vanishingWorker,
  workerWithoutWasm,
} from '../support/hash-workers.ts';
import { type PacedRuntime, pacedRuntime } from '../support/paced-runtime.ts';

const { signal } = new AbortController();
const MEGABYTE = 1024 * 1024;
/** Nothing is given up because a busy machine takes its time: workers have 100 s to start. */
const PATIENT = 1 / 20;
/** Silence and idleness of 30 s are found in 1.5. */
const HURRIED = 20;
/** For what a busy machine does in its own time. */
const SOON = { timeout: 20_000 };

function hasherWith(options: TestHasherOptions) {
  const hasher = createTestHasher({ runtime: pacedRuntime(PATIENT), ...options });
  onTestFinished(() => hasher.dispose());
  return hasher;
}

/** As soon as it runs, time hurries: what it does not answer is missed soon. */
function hurriedOnceRunning(runtime: PacedRuntime, start: () => Worker): () => Worker {
  return () => {
    const worker = start();
    worker.addEventListener('message', () => runtime.setPace(HURRIED), { once: true });
    return worker;
  };
}

async function expectRight(hasher: Hasher, sizes: readonly number[]): Promise<void> {
  const files = sizes.map(patterned);
  const digests = await Promise.all(files.map((file) => hasher.hash(file, signal)));
  const expected = await Promise.all(files.map((file) => subtleHasher.hash(file, signal)));
  expect(digests).toEqual(expected);
}

const SIZES = [10 * MEGABYTE, 9 * MEGABYTE, 3 * MEGABYTE, 70_000];

describe.each([
  ['with WebCrypto', true],
  ['without WebCrypto', false],
])('hashing in workers, %s', (_name, hasWebCrypto) => {
  it.each([
    ['crashes', crashingWorker],
    ['is ended by the browser without a word', vanishingWorker],
    ['answers what nobody asked', confusedWorker],
  ])('begins on a fresh worker what was on one that %s', async (_fate, first) => {
    const runtime = pacedRuntime(PATIENT);
    const turns = inTurn(hurriedOnceRunning(runtime, first), () => {
      runtime.setPace(PATIENT);
      return startOwnWorker();
    });
    const hasher = hasherWith({
      hasWebCrypto,
      runtime,
      startWorker: turns.startWorker,
      maxWorkers: 1,
    });
    await expectRight(hasher, SIZES);
    expect(hasher.mode).toMatchObject({ worker: 'running', workersLost: 1 });
    expect(turns.started).toBe(2);
  });

  it('replaces three lost workers, then the page hashes', async () => {
    const turns = inTurn(crashingWorker);
    const hasher = hasherWith({ hasWebCrypto, startWorker: turns.startWorker, maxWorkers: 1 });
    await expectRight(hasher, SIZES);
    expect(hasher.mode).toMatchObject({ worker: 'given-up', workersLost: 4 });
    expect(turns.started).toBe(4);
    await expectRight(hasher, SIZES);
    expect(turns.started).toBe(4);
  });

  it.each([
    ['are forbidden', forbidWorkers],
    ['have no script', () => startWorkerAt(new URL('/no-such-worker.js', location.href))],
    ['have a script that is none', brokenWorker],
  ])('the page hashes when workers %s', async (_reason, startWorker) => {
    const hasher = hasherWith({ hasWebCrypto, startWorker });
    await expectRight(hasher, SIZES);
    expect(hasher.mode).toMatchObject({ worker: 'blocked', workersLost: 0, slices: 'wasm' });
  });

  it('the page hashes when a worker never runs', async () => {
    const runtime = pacedRuntime(HURRIED);
    const hasher = hasherWith({ hasWebCrypto, runtime, startWorker: muteWorker });
    await expectRight(hasher, SIZES);
    await expect.poll(() => hasher.mode.worker, SOON).toBe('blocked');
  });

  it('the page hashes what a worker says that it cannot', async () => {
    const hasher = hasherWith({ hasWebCrypto, startWorker: refusingWorker });
    await expectRight(hasher, SIZES);
  });

  it('gives each file its digest once while workers die under the work', async () => {
    const alive: Worker[] = [];
    const hasher = hasherWith({
      hasWebCrypto,
      startWorker() {
        const worker = startOwnWorker();
        alive.push(worker);
        return worker;
      },
    });
    const sizes = Array.from(
      { length: 24 },
      (_, index) => (1 + (index % 7) * 2) * MEGABYTE + index,
    );
    let kills = 0;
    const hashing = (async () => {
      do await expectRight(hasher, sizes);
      while (kills < 3);
    })();
    for (; kills < 3; kills += 1) {
      await expect.poll(() => alive.length, SOON).toBeGreaterThan(kills);
      await expect.poll(() => hasher.mode.worker, SOON).toBe('running');
      const worker = alive[kills];
      // In this order: WebKit dispatches nothing on a worker that was terminated.
      worker?.dispatchEvent(new ErrorEvent('error', { message: 'out of memory' }));
      worker?.terminate();
    }
    await hashing;
    expect(hasher.mode.workersLost).toBe(3);
  });

  it('ends workers that have nothing to do, and starts them again', async () => {
    const turns = inTurn(startOwnWorker);
    const runtime = pacedRuntime(PATIENT);
    const hasher = hasherWith({
      hasWebCrypto,
      runtime,
      startWorker: turns.startWorker,
      maxWorkers: 1,
    });
    await expectRight(hasher, SIZES);
    expect(hasher.mode.worker).toBe('running');
    runtime.setPace(HURRIED);
    await expect.poll(() => hasher.mode.worker, SOON).toBe('unused');
    runtime.setPace(PATIENT);
    await expectRight(hasher, SIZES);
    expect(hasher.mode).toMatchObject({ worker: 'running', workersLost: 0 });
    expect(turns.started).toBe(2);
  });

  it('ends workers when it is disposed of, and what they were hashing as cancelled', async () => {
    let jobs = 0;
    const startWorker = () => {
      const worker = vanishingWorker();
      const post = worker.postMessage.bind(worker);
      worker.postMessage = (...message: unknown[]) => {
        jobs += 1;
        post(...(message as Parameters<typeof post>));
      };
      return worker;
    };
    const hasher = hasherWith({ hasWebCrypto, startWorker });
    const hashing = hasher.hash(patterned(9 * MEGABYTE), signal);
    // Before that the file is being read still, and a worker would be started for it.
    await expect.poll(() => jobs, SOON).toBeGreaterThan(0);
    hasher.dispose();
    await expect(hashing).rejects.toMatchObject({ code: 'cancelled' });
    expect(hasher.mode).toMatchObject({ worker: 'unused', workersLost: 0 });
  });
});

describe('the worker of a URL', () => {
  it('is used in place of the own one', async () => {
    const script = new URL('../../src/hashing/hash-worker.ts', import.meta.url);
    const hasher = defaultHasher({ workerUrl: script.href, runtime: pacedRuntime(PATIENT) });
    await expectRight(hasher, SIZES);
    expect(hasher.mode).toMatchObject({ worker: 'running', workersLost: 0 });
    hasher.dispose();
  });

  it('is not missed when nothing is there', async () => {
    const workerUrl = 'no/such/script.js';
    const hasher = defaultHasher({ workerUrl, runtime: pacedRuntime(PATIENT) });
    await expectRight(hasher, SIZES);
    expect(hasher.mode.worker).toBe('blocked');
    hasher.dispose();
  });
});

describe('a worker in which WASM is forbidden', () => {
  it('leaves slices to the page', async () => {
    const hasher = hasherWith({ hasWebCrypto: false, startWorker: workerWithoutWasm });
    await expectRight(hasher, SIZES);
    expect(hasher.mode).toMatchObject({ worker: 'running', workersLost: 0, slices: 'wasm' });
  });
});

describe('what the page itself hashes', () => {
  it('is no reason to start a worker up to a megabyte', async () => {
    const hasher = hasherWith({});
    await expectRight(hasher, [0, 50_000, MEGABYTE]);
    expect(hasher.mode.worker).toBe('unused');
  });

  it('is hashed in slices when the buffer cannot be had, and larger buffers are not tried again', async () => {
    const hasher = hasherWith({});
    const file = patterned(20 * MEGABYTE);
    const tooLarge = () => Promise.reject(new RangeError('Array buffer allocation failed'));
    Object.defineProperty(file, 'arrayBuffer', { value: tooLarge });
    const expected = await subtleHasher.hash(patterned(20 * MEGABYTE), signal);
    expect(await hasher.hash(file, signal)).toBe(expected);
    expect(hasher.mode).toMatchObject({ maxBufferedBytes: 10 * MEGABYTE, slices: 'wasm' });
  });
});
