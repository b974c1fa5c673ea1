import { afterEach, describe, expect, it, vi } from 'vitest';
import { systemRuntime } from '../../src/runtime/runtime.ts';
import { defaultLocks } from '../../src/storage/default-locks.ts';
import { webLocks } from '../../src/storage/web-locks.ts';
import { describeSessionLocks, type Tab, type TabRoom } from '../support/locks-conformance.ts';

type Modules = typeof import('../support/tab-modules.ts');

/** Frames of this origin: each has a realm of its own, and its locks end with it, as a tab's do. */
class FrameRoom implements TabRoom {
  readonly #name = crypto.randomUUID();
  readonly #frames: HTMLIFrameElement[] = [];
  readonly #locksOf: (modules: Modules, databaseName: string) => Tab['locks'];

  constructor(locksOf: (modules: Modules, databaseName: string) => Tab['locks']) {
    this.#locksOf = locksOf;
  }

  async openTab(database = 'db'): Promise<Tab> {
    const frame = document.createElement('iframe');
    this.#frames.push(frame);
    document.body.append(frame);
    const url = new URL('../support/tab-modules.ts', import.meta.url).href;
    const realm = frame.contentWindow as (Window & typeof globalThis) | null;
    const modules: Modules = await realm?.eval(`import(${JSON.stringify(url)})`);
    return {
      locks: this.#locksOf(modules, `${database}-${this.#name}`),
      die: () => frame.remove(),
    };
  }

  pause(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, 20));
  }

  settled<T>(promise: Promise<T>): Promise<T> {
    return promise;
  }

  dispose(): void {
    for (const frame of this.#frames) frame.remove();
    for (const key of Object.keys(localStorage)) {
      if (key.includes(this.#name)) localStorage.removeItem(key);
    }
  }
}

describeSessionLocks(
  'of the browser',
  () => new FrameRoom(({ webLocks: locksOf }, databaseName) => locksOf(databaseName)),
);

describeSessionLocks(
  'by lease, in frames',
  () =>
    new FrameRoom(({ leaseLocks, systemRuntime: own }, databaseName) => {
      const runtime = own();
      // Waits are a twentieth of what they are, so that a dead frame is known at once.
      const setTimer: typeof runtime.setTimer = (callback, delayMs) =>
        runtime.setTimer(callback, delayMs / 20);
      return leaseLocks({ databaseName, runtime: { ...runtime, setTimer } });
    }),
);

describe('the locks that a page gets', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('are the browser’s, or leases where it has none', async () => {
    const name = crypto.randomUUID();
    await defaultLocks(name, systemRuntime()).hold('s1');
    expect((await navigator.locks.query()).held?.map((lock) => lock.name)).toContain(
      `bulkhead:${name}:s1`,
    );
    vi.spyOn(navigator, 'locks', 'get').mockReturnValue(undefined as unknown as LockManager);
    const locks = defaultLocks(name, systemRuntime());
    const release = await locks.hold('s2');
    expect(localStorage.getItem(`bulkhead:${name}:s2`)).not.toBeNull();
    expect(await locks.held()).toEqual(new Set(['s2']));
    release?.();
    (await locks.whenFree('s2', AbortSignal.timeout(10_000)))();
    expect(localStorage.getItem(`bulkhead:${name}:s2`)).toBeNull();
  });

  it('are always its own where the browser forbids them, as in a sandboxed frame', async () => {
    const forbid = async (): Promise<never> => {
      throw new DOMException('denied', 'SecurityError');
    };
    const locks = webLocks('db', { request: forbid, query: forbid });
    expect(await locks.hold('s1')).toBeTypeOf('function');
    const { signal } = new AbortController();
    expect(await locks.whenFree('s1', signal)).toBeTypeOf('function');
    expect(await locks.held()).toEqual(new Set());
  });

  it('reject with what the browser says when it fails', async () => {
    const fail = async (): Promise<never> => {
      throw new DOMException('inactive', 'InvalidStateError');
    };
    const locks = webLocks('db', { request: fail, query: fail });
    await expect(locks.hold('s1')).rejects.toMatchObject({ name: 'InvalidStateError' });
    await expect(locks.held()).rejects.toMatchObject({ name: 'InvalidStateError' });
  });
});
