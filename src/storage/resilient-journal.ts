import type {
  Journal,
  JournalChange,
  JournalEntry,
  SessionRecord,
  StoredHandle,
} from './journal.ts';
import { type JournalError, toJournalError } from './journal-error.ts';
import { OverlayJournal } from './overlay-journal.ts';

export interface ResilientJournalOptions {
  /** Called once, when the journal goes over to memory. Never told `closed`. */
  readonly onDegraded: (error: JournalError) => void;
}

/**
 * Opens at its first use, and never rejects: when the journal cannot be opened, or fails at anything,
 * memory takes its place until the page goes. The write that failed, and all later ones, are in memory.
 *
 * From then on nothing that is stored is changed any more, not even removed: the next page finds what
 * the last good write left, as after a power cut, and asks the server about it. When it was for want of
 * room, what is stored can still be read and counts; else reads answer what was written since.
 */
class ResilientJournal implements Journal {
  readonly #open: () => Promise<Journal>;
  readonly #onDegraded: (error: JournalError) => void;
  #opening: Promise<Journal> | undefined;
  #durable: Journal | undefined;
  #fallback: OverlayJournal | undefined;

  constructor(open: () => Promise<Journal>, { onDegraded }: ResilientJournalOptions) {
    this.#open = open;
    this.#onDegraded = onDegraded;
  }

  /** False before it was opened, and in memory. */
  get isDurable(): boolean {
    return this.#fallback === undefined && this.#durable?.isDurable === true;
  }

  write(change: JournalChange): Promise<void> {
    return this.#do((journal) => journal.write(change));
  }

  sessions(scope: string): Promise<readonly SessionRecord[]> {
    return this.#do((journal) => journal.sessions(scope));
  }

  async *entries(sessionId: string): AsyncGenerator<readonly JournalEntry[]> {
    if (this.#fallback === undefined) {
      try {
        yield* (await this.#opened()).entries(sessionId);
        return;
      } catch (cause) {
        this.#degrade(cause);
      }
    }
    yield* this.#memory().entries(sessionId);
  }

  remove(sessionId: string): Promise<void> {
    return this.#do((journal) => journal.remove(sessionId));
  }

  checksums(fingerprints: readonly string[]): Promise<readonly (string | undefined)[]> {
    return this.#do((journal) => journal.checksums(fingerprints));
  }

  forgetChecksum(fingerprint: string): Promise<void> {
    return this.#do((journal) => journal.forgetChecksum(fingerprint));
  }

  keepHandle(sessionId: string, handle: StoredHandle): Promise<boolean> {
    return this.#do((journal) => journal.keepHandle(sessionId, handle));
  }

  handles(sessionId: string): Promise<readonly StoredHandle[]> {
    return this.#do((journal) => journal.handles(sessionId));
  }

  /**
   * The one method that may reject: a copy that does not fit, or that this browser cannot store, says
   * nothing about the rest of the journal, and leaves it as it is.
   *
   * @throws JournalError `quota` when there is no room; `failed` or `closed`
   */
  async keepCopy(sessionId: string, seq: number, file: Blob): Promise<void> {
    const journal = await this.#do(async (open) => open);
    try {
      await journal.keepCopy(sessionId, seq, file);
    } catch (cause) {
      throw toJournalError(cause);
    }
  }

  copies(sessionId: string): Promise<readonly number[]> {
    return this.#do((journal) => journal.copies(sessionId));
  }

  copy(sessionId: string, seq: number): Promise<Blob | undefined> {
    return this.#do((journal) => journal.copy(sessionId, seq));
  }

  removeCopy(sessionId: string, seq: number): Promise<void> {
    return this.#do((journal) => journal.removeCopy(sessionId, seq));
  }

  close(): void {
    this.#fallback?.close();
    // Who waits for the journal to open was first in the queue, and writes before it closes.
    this.#opening?.then((journal) => journal.close()).catch(() => {});
    this.#memory();
  }

  async #do<T>(run: (journal: Journal) => Promise<T>): Promise<T> {
    if (this.#fallback === undefined) {
      try {
        return await run(await this.#opened());
      } catch (cause) {
        this.#degrade(cause);
      }
    }
    return run(this.#memory());
  }

  #opened(): Promise<Journal> {
    this.#opening ??= this.#open().then((journal) => {
      this.#durable = journal;
      return journal;
    });
    return this.#opening;
  }

  #memory(): OverlayJournal {
    this.#fallback ??= new OverlayJournal(undefined);
    return this.#fallback;
  }

  #degrade(cause: unknown): void {
    // Other calls may have been under way when the first one failed, or the page closed it.
    if (this.#fallback !== undefined) return;
    const error = toJournalError(cause);
    const isReadable = error.code === 'quota';
    this.#fallback = new OverlayJournal(isReadable ? this.#durable : undefined);
    if (!isReadable) this.#durable?.close();
    if (error.code !== 'closed') queueMicrotask(() => this.#onDegraded(error));
  }
}

/** A journal that the pipeline can use without asking whether this browser keeps anything. */
export function resilientJournal(
  open: () => Promise<Journal>,
  options: ResilientJournalOptions,
): Journal {
  return new ResilientJournal(open, options);
}
