import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Broadcast } from '../../src/storage/broadcast.ts';
import { type LeaseStorage, leaseLocks } from '../../src/storage/lease-locks.ts';
import { describeSessionLocks, type Tab, type TabRoom } from '../support/locks-conformance.ts';
import { MemoryLockRoom } from '../support/memory-locks.ts';
import { VirtualRuntime } from '../support/virtual-runtime.ts';

/** localStorage of an origin. */
class MemoryStorage implements LeaseStorage {
  readonly values = new Map<string, string>();
  get length(): number {
    return this.values.size;
  }
  key(at: number): string | null {
    return [...this.values.keys()][at] ?? null;
  }
  getItem(key: string): string | null {
    return this.values.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    this.values.set(key, value);
  }
  removeItem(key: string): void {
    this.values.delete(key);
  }
}

/**
 * What one tab sees of localStorage where each tab has a process: its own writes at once, those of others
 * a moment later, in the order in which they arrived.
 */
class LateStorage extends MemoryStorage {
  readonly #runtime: VirtualRuntime;
  readonly #stores: Set<MemoryStorage>;

  /** @param stores what every tab sees, and first what a new one begins with */
  constructor(runtime: VirtualRuntime, stores: Set<MemoryStorage>) {
    super();
    this.#runtime = runtime;
    for (const [key, value] of [...stores][0]?.values ?? []) this.values.set(key, value);
    this.#stores = stores.add(this);
  }

  override setItem(key: string, value: string): void {
    super.setItem(key, value);
    this.#runtime.setTimer(() => {
      for (const store of this.#stores) store.values.set(key, value);
    }, 20);
  }

  override removeItem(key: string): void {
    super.removeItem(key);
    this.#runtime.setTimer(() => {
      for (const store of this.#stores) store.values.delete(key);
    }, 20);
  }
}

/** A tab whose page may be frozen (timers and messages wait) or dead (there is none of either). */
interface VirtualTab extends Tab {
  freeze(): void;
  thaw(): void;
  kill(): void;
}

/** Tabs on virtual time. */
class VirtualRoom implements TabRoom {
  readonly runtime = new VirtualRuntime();
  readonly #storage: LeaseStorage | null | 'late';
  readonly #stores = new Set([new MemoryStorage()]);
  readonly #hasBroadcast: boolean;
  readonly #listeners = new Map<string, Set<(message: unknown, from: object) => void>>();

  constructor({
    hasBroadcast = true,
    storage = new MemoryStorage(),
  }: { hasBroadcast?: boolean; storage?: LeaseStorage | null | 'late' } = {}) {
    this.#hasBroadcast = hasBroadcast;
    this.#storage = storage;
  }

  async openTab(database = 'db'): Promise<VirtualTab> {
    const { runtime } = this;
    const isLate = this.#storage === 'late';
    let state: 'alive' | 'frozen' | 'dead' = 'alive';
    let late: (() => void)[] = [];
    const wake = new Set<() => void>();
    const whenAlive = (callback: () => void) => () => {
      if (state === 'alive') callback();
      else if (state === 'frozen') late.push(callback);
    };
    const locks = leaseLocks({
      databaseName: database,
      runtime: {
        epochNow: () => runtime.epochNow(),
        clearTimer: (timer) => runtime.clearTimer(timer),
        random: () => runtime.random(),
        uuid: () => runtime.uuid(),
        reportError: (error) => runtime.reportError(error),
        setTimer: (callback, delayMs) => runtime.setTimer(whenAlive(callback), delayMs),
        onConnectivityChange: (callback) => {
          wake.add(callback);
          return () => wake.delete(callback);
        },
      },
      storage: (isLate ? new LateStorage(runtime, this.#stores) : this.#storage) ?? undefined,
      broadcast: this.#hasBroadcast ? this.#broadcast(database, whenAlive) : undefined,
    });
    return {
      locks,
      die: async () => {
        state = 'dead';
        // Only the age of its lease tells those who hear no messages.
        if (!this.#hasBroadcast) await runtime.advance(90_000);
      },
      kill: () => {
        state = 'dead';
      },
      freeze: () => {
        state = 'frozen';
      },
      thaw: () => {
        state = 'alive';
        for (const callback of wake) callback();
        for (const callback of late.splice(0)) callback();
        late = [];
      },
    };
  }

  pause(): Promise<void> {
    return this.runtime.advance(10);
  }

  async settled<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const end = () => {
      isSettled = true;
    };
    promise.then(end, end);
    await this.runtime.advance(300_000, () => isSettled);
    expect(isSettled).toBe(true);
    return promise;
  }

  dispose(): void {
    expect(this.runtime.errors).toEqual([]);
  }

  #broadcast(name: string, whenAlive: (callback: () => void) => () => void): Broadcast {
    const self = {};
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    return {
      post: (message) => {
        const heard = structuredClone(message);
        for (const listener of listeners) {
          this.runtime.setTimer(() => listener(heard, self), 1);
        }
      },
      listen: (listener) => {
        const hear = (message: unknown, from: object) => {
          if (from !== self) whenAlive(() => listener(message))();
        };
        listeners.add(hear);
        return () => listeners.delete(hear);
      },
      close: () => {},
    };
  }
}

describeSessionLocks('in memory', () => {
  const rooms = new Map<string, MemoryLockRoom>();
  return {
    openTab: async (database = 'db') => {
      const room = rooms.get(database) ?? new MemoryLockRoom();
      rooms.set(database, room);
      return room.openTab();
    },
    pause: async () => {},
    settled: (promise) => promise,
    dispose: () => {},
  };
});
describeSessionLocks('by lease, with messages between tabs', () => new VirtualRoom());
describeSessionLocks(
  'by lease, with messages, where tabs see what others stored a moment later',
  () => new VirtualRoom({ storage: 'late' }),
);
describeSessionLocks(
  'by lease, without messages, where tabs see what others stored a moment later',
  () => new VirtualRoom({ storage: 'late', hasBroadcast: false }),
);
describeSessionLocks('by lease, without messages', () => new VirtualRoom({ hasBroadcast: false }));

describe('a lease', () => {
  let room: VirtualRoom;
  beforeEach(() => {
    room = new VirtualRoom();
  });
  afterEach(() => {
    vi.unstubAllGlobals();
  });
  const { signal } = new AbortController();

  /** How long it takes on virtual time. */
  async function durationOf<T>(promise: Promise<T>): Promise<{ ms: number; value: T }> {
    const beganMs = room.runtime.now();
    const value = await room.settled(promise);
    return { ms: room.runtime.now() - beganMs, value };
  }

  it('is taken in a quarter of a second when nobody has it', async () => {
    const tab = await room.openTab();
    expect((await durationOf(tab.locks.hold('s1'))).ms).toBe(250);
  });

  it('is refused within milliseconds when its holder answers', async () => {
    const [first, second] = [await room.openTab(), await room.openTab()];
    await room.settled(first.locks.hold('s1'));
    const { ms, value } = await durationOf(second.locks.hold('s1'));
    expect(value).toBeNull();
    expect(ms).toBeLessThan(10);
  });

  it('of a dead tab is known by its silence, within three seconds', async () => {
    const [first, second] = [await room.openTab(), await room.openTab()];
    await room.settled(first.locks.hold('s1'));
    first.kill();
    const { ms, value } = await durationOf(second.locks.hold('s1'));
    expect(value).not.toBeNull();
    expect(ms).toBeLessThan(3000);
  });

  it('of a dead tab goes to exactly one of those who ask at once', async () => {
    const [first, ...others] = [
      await room.openTab(),
      await room.openTab(),
      await room.openTab(),
      await room.openTab(),
    ];
    await room.settled(first?.locks.hold('s1') ?? Promise.reject());
    first?.kill();
    const answers = await room.settled(Promise.all(others.map((tab) => tab.locks.hold('s1'))));
    expect(answers.filter((release) => release !== null)).toHaveLength(1);
  });

  it.each([
    [0, 1],
    [1, 0],
  ])(
    'of a dead tab goes to one of two who ask a second apart (%i before %i)',
    async (early, late) => {
      const dead = await room.openTab();
      const tabs = [await room.openTab(), await room.openTab()];
      await room.settled(dead.locks.hold('s1'));
      dead.kill();
      const earlier = tabs[early]?.locks.hold('s1');
      await room.runtime.advance(1000);
      const later = tabs[late]?.locks.hold('s1');
      const answers = await room.settled(Promise.all([earlier, later]));
      expect(answers.filter((release) => release !== null)).toHaveLength(1);
    },
  );

  it('of a dead tab is known by its age where tabs cannot talk', async () => {
    room = new VirtualRoom({ hasBroadcast: false });
    const [first, second] = [await room.openTab(), await room.openTab()];
    await room.settled(first.locks.hold('s1'));
    await room.runtime.advance(600_000);
    expect(await room.settled(second.locks.hold('s1'))).toBeNull();
    first.kill();
    await room.runtime.advance(80_000);
    expect(await room.settled(second.locks.hold('s1'))).toBeNull();
    const { ms, value } = await durationOf(second.locks.whenFree('s1', signal));
    expect(value).toBeTypeOf('function');
    expect(ms).toBeLessThan(20_000);
  });

  it('of a hidden tab, whose timers fire once a minute, stays its own', async () => {
    room = new VirtualRoom({ hasBroadcast: false });
    const [first, second] = [await room.openTab(), await room.openTab()];
    await room.settled(first.locks.hold('s1'));
    for (let minute = 0; minute < 10; minute += 1) {
      first.freeze();
      await room.runtime.advance(59_000);
      first.thaw();
      await room.runtime.advance(1000);
      expect(await room.settled(second.locks.hold('s1'))).toBeNull();
    }
  });

  it('survives a clock that is set', async () => {
    room = new VirtualRoom({ hasBroadcast: false });
    const [first, second] = [await room.openTab(), await room.openTab()];
    await room.settled(first.locks.hold('s1'));
    for (const byMs of [86_400_000, -2 * 86_400_000]) {
      room.runtime.jumpWallClock(byMs);
      await room.runtime.advance(6000);
      expect(await room.settled(second.locks.hold('s1'))).toBeNull();
    }
    first.kill();
    room.runtime.jumpWallClock(-86_400_000);
    expect(await room.settled(second.locks.hold('s1'))).not.toBeNull();
  });

  it('passes on within milliseconds when its holder lets go', async () => {
    const [first, second] = [await room.openTab(), await room.openTab()];
    const release = await room.settled(first.locks.hold('s1'));
    const waiting = second.locks.whenFree('s1', signal);
    await room.runtime.advance(60_000);
    release?.();
    expect((await durationOf(waiting)).ms).toBeLessThan(300);
  });

  it('that a frozen page lost is told to that page when it wakes', async () => {
    const [first, second] = [await room.openTab(), await room.openTab()];
    const onLost = vi.fn(() => {
      throw new Error('a listener’s own');
    });
    const release = await room.settled(first.locks.hold('s1', onLost));
    await room.settled(first.locks.hold('s2'));
    first.freeze();
    const secondRelease = await room.settled(second.locks.hold('s1'));
    expect(secondRelease).not.toBeNull();
    expect(onLost).not.toHaveBeenCalled();
    first.thaw();
    expect(onLost).toHaveBeenCalledTimes(1);
    await room.runtime.advance(20_000);
    release?.();
    expect(onLost).toHaveBeenCalledTimes(1);
    expect(await room.settled(first.locks.hold('s1'))).toBeNull();
    expect(await room.settled(second.locks.hold('s2'))).toBeNull();
    expect(room.runtime.errors.splice(0)).toHaveLength(1);
  });

  it('that a waiting page is given tells it of a loss as well', async () => {
    const [first, second] = [await room.openTab(), await room.openTab()];
    const onLost = vi.fn();
    await room.settled(first.locks.whenFree('s1', signal, onLost));
    first.freeze();
    await room.settled(second.locks.hold('s1'));
    first.thaw();
    expect(onLost).toHaveBeenCalledTimes(1);
  });

  it('is written again when somebody cleared the storage', async () => {
    const storage = new MemoryStorage();
    room = new VirtualRoom({ storage });
    const [first, second] = [await room.openTab(), await room.openTab()];
    await room.settled(first.locks.hold('s1'));
    storage.values.clear();
    await room.runtime.advance(5000);
    expect([...storage.values.keys()]).toEqual(['bulkhead:db:s1']);
    expect(await room.settled(second.locks.hold('s1'))).toBeNull();
  });

  it('leaves nothing in the storage when it ends, and no timer', async () => {
    const storage = new MemoryStorage();
    room = new VirtualRoom({ storage });
    const tab = await room.openTab();
    const release = await room.settled(tab.locks.hold('s1'));
    release?.();
    expect(storage.values.size).toBe(0);
    const setTimer = vi.spyOn(room.runtime, 'setTimer');
    await room.runtime.advance(600_000);
    // The heartbeat that was under way ends, and no other follows.
    expect(setTimer.mock.calls.filter(([, delayMs]) => delayMs === 5000)).toEqual([]);
  });

  it('is not harmed by garbage in the storage', async () => {
    const storage = new MemoryStorage();
    room = new VirtualRoom({ storage, hasBroadcast: false });
    for (const [at, garbage] of ['', 'text', '{}', 'NaN x', `${Infinity} y`].entries()) {
      storage.values.set(`bulkhead:db:s${at}`, garbage);
    }
    const tab = await room.openTab();
    expect(await room.settled(tab.locks.held())).toEqual(new Set());
    for (let at = 0; at < 5; at += 1) {
      expect(await room.settled(tab.locks.hold(`s${at}`))).not.toBeNull();
    }
  });

  it('is kept by messages alone where the page may store nothing', async () => {
    room = new VirtualRoom({ storage: null });
    const [first, second] = [await room.openTab(), await room.openTab()];
    expect(await room.settled(first.locks.hold('s1'))).not.toBeNull();
    expect(await room.settled(second.locks.hold('s1'))).toBeNull();
    first.kill();
    expect(await room.settled(second.locks.hold('s1'))).not.toBeNull();
  });

  it('is kept by messages alone where the storage is full', async () => {
    const storage = new MemoryStorage();
    storage.setItem = () => {
      throw new DOMException('full', 'QuotaExceededError');
    };
    room = new VirtualRoom({ storage });
    const tab = await room.openTab();
    expect(await room.settled(tab.locks.hold('s1'))).not.toBeNull();
    await room.runtime.advance(60_000);
    expect(await room.settled(tab.locks.hold('s1'))).toBeNull();
  });
});
