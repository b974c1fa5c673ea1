import * as z from 'zod/mini';
import type { Runtime } from '../runtime/runtime.ts';
import type { TokenPlace } from './token-storage.ts';

/** Stores forget uploads that nobody completes, most after a week. */
const MAX_AGE_MS = 7 * 24 * 60 * 60_000;
/** Of one adapter. About 200 bytes each: far from what localStorage takes. */
const MAX_TOKENS = 1_000;

/** What an adapter needs to go on with uploads after a reload; small plain data. */
export interface ResumeTokens<T> {
  get(key: string): T | undefined;
  set(key: string, value: T): void;
  remove(key: string): void;
}

export interface ResumeTokenOptions<T> {
  readonly place: TokenPlace;
  /** What is read must fit; what does not is removed. */
  readonly schema: z.ZodMiniType<T>;
  readonly runtime: Runtime;
  /** Default 1,000; the oldest go first. */
  readonly maxTokens?: number;
}

/**
 * Tokens in localStorage, so that they outlive the page; in memory where it is missing, forbidden or full.
 * They expire after a week.
 */
export function createResumeTokens<T>(options: ResumeTokenOptions<T>): ResumeTokens<T> {
  const { place, schema, runtime, maxTokens = MAX_TOKENS } = options;
  const { storage, prefix } = place;
  const entrySchema = z.object({ atMs: z.number(), value: schema });
  const memory = new Map<string, T>();

  const read = (item: string) => {
    const text = storage?.getItem(item);
    if (!text) return undefined;
    try {
      const entry = entrySchema.safeParse(JSON.parse(text));
      if (entry.success && runtime.epochNow() - entry.data.atMs < MAX_AGE_MS) return entry.data;
    } catch {
      // Not ours, or cut off: as if it were not there.
    }
    storage?.removeItem(item);
    return undefined;
  };

  const makeRoom = () => {
    if (!storage) return;
    const items = Array.from({ length: storage.length }, (_, at) => storage.key(at) ?? '');
    const own = items.filter((item) => item.startsWith(prefix));
    if (own.length < maxTokens) return;
    const oldestFirst = own
      .map((item) => ({ item, atMs: read(item)?.atMs ?? 0 }))
      .sort((a, b) => a.atMs - b.atMs);
    for (const { item } of oldestFirst.slice(0, own.length - maxTokens + 1)) {
      storage.removeItem(item);
    }
  };

  return {
    get: (key) => memory.get(key) ?? read(prefix + key)?.value,
    set(key, value) {
      memory.delete(key);
      try {
        if (storage) {
          makeRoom();
          storage.setItem(prefix + key, JSON.stringify({ atMs: runtime.epochNow(), value }));
          return;
        }
      } catch {
        // Full: what it had of this key is older than what is to be kept.
        storage?.removeItem(prefix + key);
      }
      memory.set(key, value);
      const [oldest] = memory.keys();
      if (memory.size > maxTokens && oldest !== undefined) memory.delete(oldest);
    },
    remove(key) {
      memory.delete(key);
      storage?.removeItem(prefix + key);
    },
  };
}
