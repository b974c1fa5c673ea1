import type { Runtime } from '../../runtime/runtime.ts';
import type { ChecksumEntry, Journal } from '../../storage/journal.ts';
import { fingerprintOf } from '../intake/file-matcher.ts';
import type { ChecksumMemory } from '../stages/stage.ts';
import type { Upload } from '../upload-state.ts';

/** Asked for at once: those that were added together are needed together. */
const ASK_AT_ONCE = 500;
/** Reading a small file takes less: a journal that is silent for longer is no gain. */
const ANSWER_WAIT_MS = 2_000;

/**
 * Remembers checksums by path, size and modification time over reloads, so that files which are added
 * again need not be read. The store has the last word: it checks what arrives.
 */
export class ChecksumCache implements ChecksumMemory {
  readonly #journal: Journal;
  readonly #runtime: Runtime;
  readonly #scope: string;
  /** Fingerprints that nobody has asked the journal about, in the order of the uploads. */
  readonly #unasked = new Set<string>();
  readonly #answers = new Map<string, Promise<string | undefined>>();
  /** Uploads that go by a checksum which was not computed. */
  readonly #recalled = new Set<string>();
  #computed: ChecksumEntry[] = [];
  /** The journal owes an answer for longer than it is waited for: it is not asked meanwhile. */
  #isSilent = false;

  constructor(journal: Journal, runtime: Runtime, scope: string) {
    this.#journal = journal;
    this.#runtime = runtime;
    this.#scope = scope;
  }

  /** An upload that will be hashed. */
  expect(upload: Upload): void {
    this.#unasked.add(this.#fingerprint(upload));
  }

  /** What the journal remembers of it; undefined as well when it does not say so in time. */
  async recall(upload: Upload): Promise<string | undefined> {
    const fingerprint = this.#fingerprint(upload);
    const isUnasked = this.#unasked.delete(fingerprint);
    if (isUnasked && !this.#isSilent) this.#askFrom(fingerprint);
    const answer = this.#answers.get(fingerprint);
    this.#answers.delete(fingerprint);
    const checksum = await answer;
    if (checksum !== undefined) this.#recalled.add(upload.id);
    return checksum;
  }

  remember(upload: Upload, checksum: string): void {
    const usedMs = this.#runtime.epochNow();
    this.#computed.push({ fingerprint: this.#fingerprint(upload), checksum, usedMs });
  }

  doubt(upload: Upload): boolean {
    if (!this.#recalled.delete(upload.id)) return false;
    void this.#journal.forgetChecksum(this.#fingerprint(upload));
    return true;
  }

  /** What was computed since it was last asked. */
  takeComputed(): readonly ChecksumEntry[] {
    return this.#computed.splice(0);
  }

  /** Asks about this one and those that come next. */
  #askFrom(fingerprint: string): void {
    const asked = [fingerprint];
    for (const next of this.#unasked) {
      if (asked.length === ASK_AT_ONCE) break;
      asked.push(next);
      this.#unasked.delete(next);
    }
    const answers = this.#inTime(this.#journal.checksums(asked));
    for (const [at, each] of asked.entries()) {
      this.#answers.set(
        each,
        answers.then((checksums) => checksums[at]),
      );
    }
  }

  /** The answer, or nothing after a while: a journal that hangs or fails must not hold up an upload. */
  #inTime(asked: ReturnType<Journal['checksums']>): ReturnType<Journal['checksums']> {
    const runtime = this.#runtime;
    return new Promise((resolve) => {
      const timer = runtime.setTimer(() => {
        this.#isSilent = true;
        resolve([]);
      }, ANSWER_WAIT_MS);
      const answered = (checksums: readonly (string | undefined)[]) => {
        runtime.clearTimer(timer);
        this.#isSilent = false;
        resolve(checksums);
      };
      asked.then(answered, (error: unknown) => {
        runtime.reportError(error);
        answered([]);
      });
    });
  }

  /** Of one user: what another one has is none of this one's business. */
  #fingerprint(upload: Upload): string {
    return `${this.#scope}\n${fingerprintOf(upload)}`;
  }
}
