import type { Clock } from '../clock.ts';
import { mapConcurrently } from '../concurrency.ts';
import type { Logger } from '../logging.ts';
import type { EventSink, StreamEnd } from './event-sink.ts';
import type { SessionCheck } from './session-check.ts';

/** Sessions asked about at once. */
const CHECK_CONCURRENCY = 16;
/** A stream whose session could not be checked for so long (the check itself fails) is closed. */
const MAX_UNVERIFIED_MS = 15 * 60_000;

/** What upkeep needs of an open stream. */
export interface Kept {
  readonly sink: EventSink;
  readonly isSessionValid: SessionCheck | undefined;
  lastEventMs: number;
  /** When its session was last asked about, and when it last stood. */
  checkedMs: number;
  verifiedMs: number;
  /** Why the server ended it; undefined while it is open, or when its reader went away. */
  end: StreamEnd | undefined;
}

export interface UpkeepOptions {
  watchers(): readonly Kept[];
  /** Finds what messages that were lost would have told. */
  look(): Promise<void>;
  clock: Clock;
  logger: Logger;
  heartbeatMs: number | undefined;
  idleMs: number | undefined;
  reauthorizeMs: number | undefined;
}

/** What is done for open streams at every heartbeat. */
export interface Upkeep {
  start(): void;
  stop(): void;
}

/** Closes idle streams, sends heartbeats to the others, checks their sessions, and looks for changes. */
export function createUpkeep(options: UpkeepOptions): Upkeep {
  const { clock, logger } = options;
  const { heartbeatMs = 15_000, idleMs = 5 * 60_000, reauthorizeMs = 30_000 } = options;
  let ticking: NodeJS.Timeout | undefined;
  let isChecking = false;
  let isLooking = false;

  const end = (watcher: Kept, why: StreamEnd) => {
    watcher.end = why;
    watcher.sink.close(why);
  };

  const check = async (watcher: Kept): Promise<void> => {
    try {
      if (await watcher.isSessionValid?.()) watcher.verifiedMs = clock();
      else end(watcher, 'session-ended');
    } catch (error) {
      logger.warn({ err: error }, 'The session of an event stream could not be checked');
      if (clock() - watcher.verifiedMs >= MAX_UNVERIFIED_MS) end(watcher, 'session-ended');
    }
  };

  const checkSessions = async (nowMs: number): Promise<void> => {
    if (isChecking) return;
    isChecking = true;
    const due = options
      .watchers()
      .filter((kept) => kept.isSessionValid && nowMs - kept.checkedMs >= reauthorizeMs);
    for (const watcher of due) watcher.checkedMs = nowMs;
    await mapConcurrently(due, CHECK_CONCURRENCY, check);
    isChecking = false;
  };

  const lookOnce = async (): Promise<void> => {
    if (isLooking) return;
    isLooking = true;
    try {
      await options.look();
    } catch (error) {
      logger.warn({ err: error }, 'Event streams could not be brought up to date yet');
    } finally {
      isLooking = false;
    }
  };

  const tick = () => {
    const nowMs = clock();
    for (const watcher of options.watchers()) {
      if (nowMs - watcher.lastEventMs >= idleMs) end(watcher, 'idle');
      else watcher.sink.heartbeat();
    }
    void checkSessions(nowMs);
    void lookOnce();
  };

  return {
    start() {
      ticking ??= setInterval(tick, heartbeatMs).unref();
    },
    stop() {
      clearInterval(ticking);
      ticking = undefined;
    },
  };
}
