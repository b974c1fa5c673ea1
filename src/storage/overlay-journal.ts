import type {
  Journal,
  JournalChange,
  JournalEntry,
  SessionRecord,
  StoredHandle,
} from './journal.ts';
import { latestFirst } from './latest-first.ts';
import { MemoryJournal } from './memory-journal.ts';

const entryKey = (sessionId: string, seq: number) => `entry ${sessionId} ${seq}`;
const copyKey = (sessionId: string, seq: number) => `copy ${sessionId} ${seq}`;
const sessionKey = (sessionId: string) => `session ${sessionId}`;
const checksumKey = (fingerprint: string) => `checksum ${fingerprint}`;

async function all<T>(source: AsyncIterable<T>): Promise<readonly T[]> {
  const found: T[] = [];
  for await (const item of source) found.push(item);
  return found;
}

/**
 * Memory on top of a journal that is only read: it answers as if what is in memory had been written to
 * that journal. One that fails to answer is not asked again, and memory answers alone.
 */
export class OverlayJournal extends MemoryJournal {
  #base: Journal | undefined;
  /** Sessions whose record in the base is no longer true. */
  readonly #written = new Set<string>();
  /** What the base may have, and is no more. */
  readonly #gone = new Set<string>();

  constructor(base: Journal | undefined) {
    super();
    this.#base = base;
  }

  override write(change: JournalChange): Promise<void> {
    const { id } = change.session;
    this.#written.add(id);
    for (const seq of change.removed ?? []) {
      this.#gone.add(entryKey(id, seq)).add(copyKey(id, seq));
    }
    return super.write(change);
  }

  override async sessions(scope: string): Promise<readonly SessionRecord[]> {
    const own = await super.sessions(scope);
    const kept = await this.#ask((base) => base.sessions(scope), []);
    const left = kept.filter(({ id }) => !this.#written.has(id) && !this.#gone.has(sessionKey(id)));
    return latestFirst([...own, ...left]);
  }

  override async *entries(sessionId: string): AsyncGenerator<readonly JournalEntry[]> {
    const entries = new Map<number, JournalEntry>();
    // All or nothing: a session that is cut short looks like a shorter one.
    const pages = await this.#askOf(sessionId, (base) => all(base.entries(sessionId)), []);
    for (const entry of pages.flat()) {
      if (!this.#gone.has(entryKey(sessionId, entry.seq))) entries.set(entry.seq, entry);
    }
    for await (const page of super.entries(sessionId)) {
      for (const entry of page) entries.set(entry.seq, entry);
    }
    if (entries.size > 0) yield [...entries.values()].sort((a, b) => a.seq - b.seq);
  }

  override async remove(sessionId: string): Promise<void> {
    this.#gone.add(sessionKey(sessionId));
    await super.remove(sessionId);
  }

  override async checksums(
    fingerprints: readonly string[],
  ): Promise<readonly (string | undefined)[]> {
    const own = await super.checksums(fingerprints);
    const kept = await this.#ask((base) => base.checksums(fingerprints), []);
    return fingerprints.map(
      (fingerprint, at) =>
        own[at] ?? (this.#gone.has(checksumKey(fingerprint)) ? undefined : kept[at]),
    );
  }

  override async forgetChecksum(fingerprint: string): Promise<void> {
    this.#gone.add(checksumKey(fingerprint));
    await super.forgetChecksum(fingerprint);
  }

  override async handles(sessionId: string): Promise<readonly StoredHandle[]> {
    const own = await super.handles(sessionId);
    const known = new Set(own.map(({ key }) => key));
    const kept = await this.#askOf(sessionId, (base) => base.handles(sessionId), []);
    return [...own, ...kept.filter(({ key }) => !known.has(key))].sort((a, b) =>
      a.key < b.key ? -1 : 1,
    );
  }

  override async copies(sessionId: string): Promise<readonly number[]> {
    const own = await super.copies(sessionId);
    const kept = await this.#askOf(sessionId, (base) => base.copies(sessionId), []);
    const left = kept.filter((seq) => !this.#gone.has(copyKey(sessionId, seq)));
    return [...new Set([...own, ...left])].sort((a, b) => a - b);
  }

  override async copy(sessionId: string, seq: number): Promise<Blob | undefined> {
    const own = await super.copy(sessionId, seq);
    if (own !== undefined || this.#gone.has(copyKey(sessionId, seq))) return own;
    return this.#askOf(sessionId, (base) => base.copy(sessionId, seq), undefined);
  }

  override async removeCopy(sessionId: string, seq: number): Promise<void> {
    this.#gone.add(copyKey(sessionId, seq));
    await super.removeCopy(sessionId, seq);
  }

  override close(): void {
    this.#base?.close();
    this.#base = undefined;
  }

  #askOf<T>(sessionId: string, read: (base: Journal) => Promise<T>, otherwise: T): Promise<T> {
    const isGone = this.#gone.has(sessionKey(sessionId));
    return isGone ? Promise.resolve(otherwise) : this.#ask(read, otherwise);
  }

  async #ask<T>(read: (base: Journal) => Promise<T>, otherwise: T): Promise<T> {
    if (this.#base === undefined) return otherwise;
    try {
      return await read(this.#base);
    } catch {
      // That it fails was told when it was given up; each further answer may take seconds.
      this.#base = undefined;
      return otherwise;
    }
  }
}
