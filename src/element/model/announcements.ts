/** What there is to say, and what kind of thing it is. */
export interface Situation {
  /** Changes when something else is going on: `uploading`, `waiting:network`, `done` … */
  readonly key: string;
  /** One or two short sentences, as they are now. */
  readonly words: string;
  /** A person did this, or has to do something: it is said every time. */
  readonly isUrgent: boolean;
}

/** Two announcements are at least so far apart, whatever happens. */
const MIN_GAP_MS = 1_000;
/** While the same thing goes on, its words are said again after so long at the earliest. */
const REPEAT_MS = 20_000;

export interface Announcement {
  /** What to say now; null for nothing. */
  readonly say: string | null;
  /** Ask again after so long, because something was held back; null when a change will do. */
  readonly againInMs: number | null;
}

/**
 * Decides what a screen reader says, and when: what is new within a second, progress every 20 s, and a
 * lane that waits and goes on and waits again does not talk all the time. Of what happened meanwhile only
 * the last is said.
 */
export class Announcements {
  #lastMs = Number.NEGATIVE_INFINITY;
  #lastKey = '';
  #lastWords = '';
  /** When each key was said last. */
  readonly #saidMs = new Map<string, number>();

  consider({ key, words, isUrgent }: Situation, nowMs: number): Announcement {
    if (words === '' || (key === this.#lastKey && words === this.#lastWords)) {
      return { say: null, againInMs: null };
    }
    const saidMs = this.#saidMs.get(key) ?? Number.NEGATIVE_INFINITY;
    const dueMs = Math.max(this.#lastMs + MIN_GAP_MS, isUrgent ? 0 : saidMs + REPEAT_MS);
    if (nowMs < dueMs) return { say: null, againInMs: dueMs - nowMs };
    this.#lastMs = nowMs;
    this.#lastKey = key;
    this.#lastWords = words;
    this.#saidMs.set(key, nowMs);
    return { say: words, againInMs: null };
  }

  /** Another uploader: what was said before is over. */
  reset(): void {
    this.#lastKey = '';
    this.#lastWords = '';
    this.#saidMs.clear();
  }
}
