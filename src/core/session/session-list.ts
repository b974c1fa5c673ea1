import type { Runtime } from '../../runtime/runtime.ts';
import type { SessionRecord, SessionSummary } from '../../storage/journal.ts';
import type { Snapshot } from '../types.ts';

/** One session of this user in this browser: what was begun, and how much of it is left. */
export interface SessionInfo extends SessionSummary {
  readonly id: string;
  /** `here`: this page works on it. `elsewhere`: another tab does. `interrupted`: nobody does. */
  readonly state: 'here' | 'elsewhere' | 'interrupted';
  /** Wall clock, milliseconds. */
  readonly createdMs: number;
  readonly updatedMs: number;
  /** How far the other tab is, a few times a second; null unless it tells. */
  readonly progress: Snapshot | null;
}

/** What is known of the sessions in this browser; those who look at it are told of changes. */
export class SessionList {
  readonly #runtime: Runtime;
  readonly #listeners = new Set<() => void>();
  #sessions: readonly SessionInfo[] = [];

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Immutable; the same object until something changed. */
  get current(): readonly SessionInfo[] {
    return this.#sessions;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  find(id: string): SessionInfo | undefined {
    return this.#sessions.find((session) => session.id === id);
  }

  /** All sessions, as the journal has them. Progress that was told is kept. */
  replace(sessions: readonly Omit<SessionInfo, 'progress'>[]): void {
    const next = sessions.map((session) => {
      const progress = session.state === 'elsewhere' ? this.find(session.id)?.progress : null;
      return { ...session, progress: progress ?? null };
    });
    this.#set(next);
  }

  /** Adds a session at the top, or puts it in the place of what was known of it. */
  put(session: SessionInfo): void {
    const isKnown = this.find(session.id) !== undefined;
    this.#set(
      isKnown
        ? this.#sessions.map((known) => (known.id === session.id ? session : known))
        : [session, ...this.#sessions],
    );
  }

  /** @returns whether the session is known */
  progressed(id: string, progress: Snapshot): boolean {
    const session = this.find(id);
    if (!session) return false;
    const { total, totalBytes, failed } = progress;
    const left = Math.max(0, total - progress.uploaded - failed);
    this.put({ ...session, state: 'elsewhere', total, totalBytes, left, failed, progress });
    return true;
  }

  remove(id: string): void {
    if (this.find(id)) this.#set(this.#sessions.filter((session) => session.id !== id));
  }

  #set(sessions: readonly SessionInfo[]): void {
    this.#sessions = Object.freeze([...sessions]);
    for (const listener of [...this.#listeners]) {
      try {
        listener();
      } catch (error) {
        this.#runtime.reportError(error);
      }
    }
  }
}

export function toSessionInfo(
  { id, createdMs, updatedMs, summary }: SessionRecord,
  state: SessionInfo['state'],
): SessionInfo {
  return { ...summary, id, state, createdMs, updatedMs, progress: null };
}
