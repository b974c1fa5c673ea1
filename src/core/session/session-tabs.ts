import type { Runtime, TimerHandle } from '../../runtime/runtime.ts';
import type { SessionChannel } from '../../storage/session-channel.ts';
import type { Snapshot } from '../types.ts';

/** How often other tabs are told, at most. */
const EVERY_MS = 250;
/** Files a message: each costs Chromium about 10 µs, before the page has its turn. */
const FILES_A_MESSAGE = 100;

type SharedFile = readonly [seq: number, file: File];

export interface SessionTabsParts {
  readonly runtime: Runtime;
  readonly channel: SessionChannel;
  /** The sessions that this page works on. */
  readonly sessionIds: () => Iterable<string>;
  /** How far this page is with a session. */
  readonly snapshotOf: (sessionId: string) => Snapshot;
  /** The files that this page holds of a session, by their uploads' places. */
  readonly filesOf: (sessionId: string) => Iterable<SharedFile>;
  readonly onProgress: (sessionId: string, snapshot: Snapshot) => void;
  readonly onEnded: (sessionId: string) => void;
}

/** What this tab and the others tell one another: how far they are, and the files to go on with. */
export class SessionTabs {
  readonly #parts: SessionTabsParts;
  readonly #stopListening: () => void;
  /** Files that other tabs told of: one of them may die, and this page go on. */
  readonly #files = new Map<string, Map<number, File>>();
  readonly #toShare = new Map<string, SharedFile[]>();
  /** Messages of files that are still to be said, and whether somebody is saying them. */
  readonly #unsaid: { sessionId: string; files: readonly SharedFile[] }[] = [];
  #isSaying = false;
  #isOver = false;
  #hasPeers = false;
  #timer: TimerHandle | undefined;

  constructor(parts: SessionTabsParts) {
    this.#parts = parts;
    const { channel } = parts;
    this.#stopListening = channel.onMessage((message) => {
      if (message.type === 'hello') {
        channel.post({ type: 'here' });
        this.#tellAll();
      } else if (message.type === 'here') {
        // Said to all: who knew of others already has told them everything.
        if (!this.#hasPeers) this.#tellAll();
      } else if (message.type === 'snapshot') {
        // Of another version of this page, at worst: the list takes the numbers that it knows.
        parts.onProgress(message.sessionId, message.snapshot as unknown as Snapshot);
      } else if (message.type === 'ended') {
        this.#files.delete(message.sessionId);
        parts.onEnded(message.sessionId);
      } else {
        const files = this.#files.get(message.sessionId) ?? new Map<number, File>();
        this.#files.set(message.sessionId, files);
        for (const [seq, file] of message.entries) files.set(seq, file);
      }
    });
    channel.post({ type: 'hello' });
  }

  /** Something changed: tells the others soon. */
  changed(): void {
    const { runtime, sessionIds, snapshotOf, channel } = this.#parts;
    this.#timer ??= runtime.setTimer(() => {
      this.#timer = undefined;
      for (const sessionId of sessionIds()) {
        channel.post({ type: 'snapshot', sessionId, snapshot: { ...snapshotOf(sessionId) } });
      }
      for (const [sessionId, files] of this.#toShare) this.#share(sessionId, files);
      this.#toShare.clear();
    }, EVERY_MS);
  }

  /** A file was added: another tab can go on with it, should this one die. */
  shared(sessionId: string, seq: number, file: File): void {
    if (!this.#hasPeers) return;
    const files = this.#toShare.get(sessionId) ?? [];
    files.push([seq, file]);
    this.#toShare.set(sessionId, files);
  }

  /** Nobody has to work on the session any more. */
  ended(sessionId: string): void {
    this.#parts.channel.post({ type: 'ended', sessionId });
  }

  /** The files that other tabs told of; they are this page's own from now on. */
  takeFiles(sessionId: string): ReadonlyMap<number, File> {
    const files = this.#files.get(sessionId) ?? new Map<number, File>();
    this.#files.delete(sessionId);
    return files;
  }

  dispose(): void {
    this.#isOver = true;
    this.#stopListening();
    if (this.#timer !== undefined) this.#parts.runtime.clearTimer(this.#timer);
    this.#parts.channel.close();
  }

  /** There is another tab: it is told everything. */
  #tellAll(): void {
    const { sessionIds, filesOf } = this.#parts;
    this.#hasPeers = true;
    this.changed();
    for (const sessionId of sessionIds()) this.#share(sessionId, [...filesOf(sessionId)]);
  }

  #share(sessionId: string, files: readonly SharedFile[]): void {
    for (let at = 0; at < files.length; at += FILES_A_MESSAGE) {
      this.#unsaid.push({ sessionId, files: files.slice(at, at + FILES_A_MESSAGE) });
    }
    if (!this.#isSaying)
      this.#say().catch((error: unknown) => this.#parts.runtime.reportError(error));
  }

  /** Says what is unsaid; the page has its turn between messages. */
  async #say(): Promise<void> {
    const { runtime, channel, sessionIds } = this.#parts;
    this.#isSaying = true;
    try {
      for (let next = this.#unsaid.shift(); next; next = this.#unsaid.shift()) {
        const { sessionId, files: entries } = next;
        // It may have ended meanwhile: the others would keep its files for nothing.
        if (![...sessionIds()].includes(sessionId)) continue;
        channel.post({ type: 'files', sessionId, entries });
        await runtime.yieldToPage();
        if (this.#isOver) return;
      }
    } finally {
      this.#isSaying = false;
    }
  }
}
