import type { Runtime, TimerHandle } from '../runtime/runtime.ts';
import { type Broadcast, openBroadcast } from './broadcast.ts';
import { lockPrefix, type Release, type SessionLocks } from './session-locks.ts';

export type LeaseStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>;

export interface LeaseLocksOptions {
  readonly databaseName: string;
  readonly runtime: Pick<
    Runtime,
    | 'epochNow'
    | 'setTimer'
    | 'clearTimer'
    | 'random'
    | 'uuid'
    | 'onConnectivityChange'
    | 'reportError'
  >;
  /** Default: `localStorage`; undefined where this page has none. */
  readonly storage?: LeaseStorage | undefined;
  /** Default: a BroadcastChannel; undefined where this page has none. */
  readonly broadcast?: Broadcast | undefined;
}

type Message =
  | { readonly type: 'ask'; readonly sessionId: string; readonly from: string }
  | { readonly type: 'here'; readonly sessionId: string; readonly to: string }
  | { readonly type: 'free'; readonly sessionId: string };

interface Lease {
  /** `asking` whether there is another holder; `claimed`, until it is clear that nobody else did; `held`. */
  state: 'asking' | 'claimed' | 'held';
  readonly onLost: (() => void) | undefined;
}

interface StoredLease {
  readonly holder: string;
  readonly atMs: number;
}

const HEARTBEAT_MS = 5000;
/** Timers of hidden tabs fire once a minute. */
const DEAD_AFTER_MS = 90_000;
/** A holder answers at once, unless its page is busy. */
const ANSWER_WAIT_MS = 2000;
/** By then tabs that claimed at the same moment see the same claim: the last one that was written. */
const SETTLE_MS = 250;

function ownStorage(): LeaseStorage | undefined {
  try {
    return localStorage;
  } catch {
    // Pages may be forbidden to store anything.
    return undefined;
  }
}

/**
 * By leases in localStorage, for pages without Web Locks. A holder renews its lease every five seconds
 * and answers at once when it is asked over BroadcastChannel, so that a dead one is known by its silence;
 * without BroadcastChannel, by a lease of more than 90 seconds ago. A page that was frozen may lose its
 * lease. This is no proof against two owners, as nothing but the browser can give one: the server takes
 * the same upload twice without harm.
 */
class LeaseLocks implements SessionLocks {
  readonly #prefix: string;
  readonly #runtime: LeaseLocksOptions['runtime'];
  readonly #storage: LeaseStorage | undefined;
  readonly #broadcast: Broadcast | undefined;
  readonly #holder: string;
  readonly #leases = new Map<string, Lease>();
  /** Called when an answer about this session comes. */
  readonly #questions = new Map<string, Set<() => void>>();
  /** Called when this session may have become free. */
  readonly #waiters = new Map<string, Set<() => void>>();
  #heartbeat: TimerHandle | undefined;

  constructor(options: LeaseLocksOptions) {
    this.#prefix = lockPrefix(options.databaseName);
    this.#runtime = options.runtime;
    this.#holder = options.runtime.uuid();
    this.#storage = 'storage' in options ? options.storage : ownStorage();
    this.#broadcast =
      'broadcast' in options ? options.broadcast : openBroadcast(`${this.#prefix}locks`);
    this.#broadcast?.listen((message) => this.#hear(message as Message));
    // A page that was frozen or asleep learns at once what it lost.
    this.#runtime.onConnectivityChange(() => this.#beat());
    // A reload finds its session free. A page that comes back takes up what nobody took meanwhile.
    globalThis.addEventListener?.('pagehide', () => {
      for (const sessionId of this.#leases.keys()) this.#erase(sessionId);
    });
  }

  async hold(sessionId: string, onLost?: () => void): Promise<Release | null> {
    if (this.#leases.has(sessionId)) return null;
    const lease: Lease = { state: 'asking', onLost };
    this.#leases.set(sessionId, lease);
    if (!(await this.#claim(sessionId, lease))) {
      this.#leases.delete(sessionId);
      return null;
    }
    lease.state = 'held';
    this.#heartbeat ??= this.#runtime.setTimer(() => this.#beat(), HEARTBEAT_MS);
    return () => {
      if (this.#leases.get(sessionId) !== lease) return;
      this.#leases.delete(sessionId);
      this.#erase(sessionId);
    };
  }

  async whenFree(sessionId: string, signal: AbortSignal, onLost?: () => void): Promise<Release> {
    for (;;) {
      signal.throwIfAborted();
      const release = await this.hold(sessionId, onLost);
      if (release === null) {
        await this.#mayBeFree(sessionId, signal);
      } else if (signal.aborted) {
        release();
      } else {
        return release;
      }
    }
  }

  async held(): Promise<ReadonlySet<string>> {
    const ids = new Set<string>();
    for (let at = 0; at < (this.#storage?.length ?? 0); at += 1) {
      const key = this.#storage?.key(at);
      if (key?.startsWith(this.#prefix)) ids.add(key.slice(this.#prefix.length));
    }
    for (const id of this.#leases.keys()) ids.add(id);
    const answers = [...ids].map(async (id) =>
      this.#leases.get(id)?.state === 'held' || (await this.#isHeldElsewhere(id)) ? id : undefined,
    );
    return new Set((await Promise.all(answers)).filter((id) => id !== undefined));
  }

  /** @returns whether the session is this tab's now */
  async #claim(sessionId: string, lease: Lease): Promise<boolean> {
    const before = this.#read(sessionId);
    if (await this.#isHeldElsewhere(sessionId)) return false;
    const now = this.#read(sessionId);
    if (now !== undefined && now.holder !== before?.holder) return false;
    lease.state = 'claimed';
    // Where nothing can be stored, what other tabs answered has to do.
    if (!this.#renew(sessionId)) return true;
    await new Promise<void>((resolve) => this.#runtime.setTimer(resolve, SETTLE_MS));
    return this.#read(sessionId)?.holder === this.#holder;
  }

  async #isHeldElsewhere(sessionId: string): Promise<boolean> {
    const found = this.#read(sessionId);
    if (found === undefined && this.#storage !== undefined) return false;
    if (this.#broadcast !== undefined) return this.#isAnswered(sessionId);
    // A clock that was set back puts a dead holder's lease into the future.
    return found !== undefined && Math.abs(this.#runtime.epochNow() - found.atMs) < DEAD_AFTER_MS;
  }

  #isAnswered(sessionId: string): Promise<boolean> {
    return new Promise((resolve) => {
      const answer = (isHeld: boolean) => {
        this.#runtime.clearTimer(timer);
        forget();
        resolve(isHeld);
      };
      const forget = addTo(this.#questions, sessionId, () => answer(true));
      const timer = this.#runtime.setTimer(() => answer(false), ANSWER_WAIT_MS);
      this.#broadcast?.post({ type: 'ask', sessionId, from: this.#holder } satisfies Message);
    });
  }

  /** Resolves when its holder says that it let go, or when it is time to try again; or rejects. */
  #mayBeFree(sessionId: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = () => {
        this.#runtime.clearTimer(timer);
        signal.removeEventListener('abort', end);
        forget();
        if (signal.aborted) reject(signal.reason);
        else resolve();
      };
      const forget = addTo(this.#waiters, sessionId, end);
      // Spread, so that tabs which wait for the same session do not ask at the same moment.
      const delayMs = HEARTBEAT_MS * (0.75 + this.#runtime.random() / 2);
      const timer = this.#runtime.setTimer(end, delayMs);
      signal.addEventListener('abort', end);
      if (signal.aborted) end();
    });
  }

  #hear(message: Message): void {
    if (message?.type === 'ask') {
      const state = this.#leases.get(message.sessionId)?.state;
      // Of two that ask at the same moment one has to stand back.
      const isMine = state !== undefined && (state !== 'asking' || this.#holder < message.from);
      if (!isMine) return;
      const { sessionId, from: to } = message;
      this.#broadcast?.post({ type: 'here', sessionId, to } satisfies Message);
    } else if (message?.type === 'here' && message.to === this.#holder) {
      for (const answer of this.#questions.get(message.sessionId) ?? []) answer();
    } else if (message?.type === 'free') {
      for (const tell of this.#waiters.get(message.sessionId) ?? []) tell();
    }
  }

  #beat(): void {
    if (this.#heartbeat !== undefined) this.#runtime.clearTimer(this.#heartbeat);
    this.#heartbeat = undefined;
    for (const [sessionId, { state, onLost }] of this.#leases) {
      if (state !== 'held') continue;
      const found = this.#read(sessionId);
      if (found === undefined || found.holder === this.#holder) {
        this.#renew(sessionId);
        this.#heartbeat ??= this.#runtime.setTimer(() => this.#beat(), HEARTBEAT_MS);
        continue;
      }
      this.#leases.delete(sessionId);
      try {
        onLost?.();
      } catch (error) {
        this.#runtime.reportError(error);
      }
    }
  }

  #read(sessionId: string): StoredLease | undefined {
    const [atMs, holder] = this.#storage?.getItem(this.#prefix + sessionId)?.split(' ') ?? [];
    return holder === undefined ? undefined : { holder, atMs: Number(atMs) };
  }

  /** @returns whether it could be stored */
  #renew(sessionId: string): boolean {
    try {
      const lease = `${this.#runtime.epochNow()} ${this.#holder}`;
      this.#storage?.setItem(this.#prefix + sessionId, lease);
      return this.#storage !== undefined;
    } catch {
      // Full, which the journal reports.
      return false;
    }
  }

  #erase(sessionId: string): void {
    if (this.#read(sessionId)?.holder === this.#holder) {
      this.#storage?.removeItem(this.#prefix + sessionId);
    }
    const message: Message = { type: 'free', sessionId };
    this.#broadcast?.post(message);
    this.#hear(message);
  }
}

function addTo<Item>(sets: Map<string, Set<Item>>, key: string, item: Item): () => void {
  const set = sets.get(key) ?? new Set();
  sets.set(key, set.add(item));
  return () => {
    set.delete(item);
    if (set.size === 0) sets.delete(key);
  };
}

/** Locks for pages that have none of the browser's: see {@link SessionLocks}. */
export function leaseLocks(options: LeaseLocksOptions): SessionLocks {
  return new LeaseLocks(options);
}
