import type { Clock } from '../clock.ts';
import type { AssetRow, Database } from '../database/schema.ts';
import type { AssetView } from '../library/asset-view.ts';
import type { StatsReader } from '../library/stats.ts';
import type { Logger } from '../logging.ts';
import { ProblemError } from '../problem-error.ts';
import type { ChangeFeed } from './change-feed.ts';
import { createEventStream, type EventStream } from './event-stream.ts';

const PAGE_CHANGES = 500;

/** Milliseconds, and how many streams; every one has a default. */
export interface ChangeHubLimits {
  /** Changes of so long are sent together. Default 250. */
  coalesceMs?: number | undefined;
  /** Default 15 s: below the 30 s after which common proxies close a silent connection. */
  heartbeatMs?: number | undefined;
  /** A stream without an event for so long is closed. Default 5 min. */
  idleMs?: number | undefined;
  /** What browsers are told to wait before they connect again. Default 2 s. */
  retryMs?: number | undefined;
  /** Default 10. */
  maxStreamsPerUser?: number | undefined;
}

export interface ChangeHubParts {
  db: Database;
  view: AssetView;
  stats: StatsReader;
  clock: Clock;
  logger: Logger;
  limits?: ChangeHubLimits | undefined;
}

/** Pushes changes of assets to whoever watches them, within one process. */
export interface ChangeHub extends ChangeFeed {
  /**
   * Opens a stream of one user's changes: every one after `lastEventId` (none when it is
   * undefined), then the counts, then whatever happens.
   * @throws {ProblemError} `rate_limited` when the user has too many.
   */
  open(userId: string, lastEventId?: number): Promise<ReadableStream<Uint8Array>>;
  readonly streamCount: number;
  /** Ends all streams. */
  close(): void;
}

interface Watcher {
  stream: EventStream;
  /** False until it is known where its changes begin: no flush may send to it. */
  hasJoined: boolean;
  /** The counts may differ from those it was sent last. */
  isOwedStats: boolean;
  lastEventMs: number;
}

interface Channel {
  watchers: Set<Watcher>;
  coalescing: NodeJS.Timeout | undefined;
  /** One flush of a user at a time: each watcher's version moves forward in one place only. */
  flushing: Promise<void>;
}

export function createChangeHub(parts: ChangeHubParts): ChangeHub {
  const { db, view, stats, clock, logger } = parts;
  const coalesceMs = parts.limits?.coalesceMs ?? 250;
  const heartbeatMs = parts.limits?.heartbeatMs ?? 15_000;
  const idleMs = parts.limits?.idleMs ?? 5 * 60_000;
  const retryMs = parts.limits?.retryMs ?? 2000;
  const maxStreamsPerUser = parts.limits?.maxStreamsPerUser ?? 10;
  const channels = new Map<string, Channel>();
  let isClosed = false;
  let ticking: NodeJS.Timeout | undefined;

  const tick = () => {
    const nowMs = clock();
    for (const channel of channels.values()) {
      for (const { stream, lastEventMs } of [...channel.watchers]) {
        if (nowMs - lastEventMs >= idleMs) stream.close();
        else stream.heartbeat();
      }
    }
  };

  const leave = (userId: string, channel: Channel, watcher: Watcher) => {
    channel.watchers.delete(watcher);
    if (channel.watchers.size === 0) {
      clearTimeout(channel.coalescing);
      if (channels.get(userId) === channel) channels.delete(userId);
    }
    if (channels.size === 0) {
      clearInterval(ticking);
      ticking = undefined;
    }
  };

  // A sequence's numbers become visible in their order here because PGlite runs one transaction at
  // a time.
  const changesSince = (userId: string, version: number): Promise<AssetRow[]> =>
    db
      .selectFrom('assets')
      .selectAll()
      .where('user_id', '=', userId)
      .where('version', '>', version)
      .orderBy('version')
      .limit(PAGE_CHANGES)
      .execute();

  /** Every watcher has a version of its own: one that joined late or fell behind misses nothing. */
  const flush = async (userId: string, channel: Channel): Promise<void> => {
    const open = () =>
      [...channel.watchers].filter(({ hasJoined, stream }) => hasJoined && stream.canSend);
    for (;;) {
      const watchers = open();
      if (watchers.length === 0) return;
      const since = Math.min(...watchers.map(({ stream }) => stream.version));
      const rows = await changesSince(userId, since);
      const last = rows.at(-1);
      if (!last) break;
      const changes = await Promise.all(rows.map((row) => view.change(row)));
      for (const watcher of watchers) {
        const { stream } = watcher;
        const missed = changes.filter((change) => change.version > stream.version);
        if (missed.length === 0) continue;
        stream.send({ type: 'assets', changes: missed }, last.version);
        stream.version = last.version;
        watcher.isOwedStats = true;
        watcher.lastEventMs = clock();
      }
      if (rows.length < PAGE_CHANGES) break;
    }
    const owed = open().filter(({ isOwedStats }) => isOwedStats);
    if (owed.length === 0) return;
    const counts = await stats.read(userId);
    const timestamp = new Date(clock()).toISOString();
    for (const watcher of owed) {
      watcher.stream.send({ type: 'progress', stats: counts, timestamp }, watcher.stream.version);
      watcher.isOwedStats = false;
      watcher.lastEventMs = clock();
    }
  };

  const flushNext = (userId: string, channel: Channel): Promise<void> => {
    channel.flushing = channel.flushing
      .then(() => flush(userId, channel))
      .catch((error: unknown) => {
        // The versions stand where they stood: a reconnect brings what was missed.
        logger.error({ err: error }, 'Changes could not be pushed');
        for (const { stream } of [...channel.watchers]) stream.close();
      });
    return channel.flushing;
  };

  const schedule = (userId: string, channel: Channel) => {
    if (channel.coalescing !== undefined) return;
    channel.coalescing = setTimeout(() => {
      channel.coalescing = undefined;
      void flushNext(userId, channel);
    }, coalesceMs);
    channel.coalescing.unref();
  };

  const newestVersion = async (userId: string): Promise<number> => {
    const row = await db
      .selectFrom('assets')
      .select('version')
      .where('user_id', '=', userId)
      .orderBy('version', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row?.version ?? 0;
  };

  return {
    get streamCount() {
      let count = 0;
      for (const channel of channels.values()) count += channel.watchers.size;
      return count;
    },

    changed(userIds) {
      for (const userId of userIds) {
        stats.invalidate(userId);
        const channel = channels.get(userId);
        if (channel) schedule(userId, channel);
      }
    },

    async open(userId, lastEventId) {
      // Taken synchronously, before anything is awaited: the limit holds under a race.
      const channel: Channel = channels.get(userId) ?? {
        watchers: new Set(),
        coalescing: undefined,
        flushing: Promise.resolve(),
      };
      if (isClosed) throw new ProblemError('unavailable', undefined, { retryAfterSeconds: 1 });
      if (channel.watchers.size >= maxStreamsPerUser) {
        throw new ProblemError(
          'rate_limited',
          `At most ${maxStreamsPerUser} event streams may be open. Close one and try again`,
          { retryAfterSeconds: 5 },
        );
      }
      const stream = createEventStream(0, retryMs, {
        onDrain: () => schedule(userId, channel),
        onClose: () => leave(userId, channel, watcher),
      });
      const watcher: Watcher = {
        stream,
        hasJoined: false,
        isOwedStats: true,
        lastEventMs: clock(),
      };
      channel.watchers.add(watcher);
      channels.set(userId, channel);
      ticking ??= setInterval(tick, heartbeatMs).unref();
      try {
        const newest = await newestVersion(userId);
        // An id from before the database was replaced lies in the future: it says nothing.
        stream.version = lastEventId !== undefined && lastEventId <= newest ? lastEventId : newest;
        watcher.hasJoined = true;
      } catch (error) {
        stream.close();
        throw error;
      }
      void flushNext(userId, channel);
      return stream.body;
    },

    close() {
      isClosed = true;
      for (const channel of [...channels.values()]) {
        clearTimeout(channel.coalescing);
        for (const { stream } of [...channel.watchers]) stream.close();
      }
      clearInterval(ticking);
      ticking = undefined;
    },
  };
}
