import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import type { Signals } from '../database/signals.ts';
import type { AssetView } from '../library/asset-view.ts';
import type { StatsReader } from '../library/stats.ts';
import type { Logger } from '../logging.ts';
import { ProblemError } from '../problem-error.ts';
import { noTelemetry, type Telemetry } from '../telemetry/telemetry.ts';
import type { ChangeFeed } from './change-feed.ts';
import { createChangeNotifier, listenForChanges } from './change-notifier.ts';
import type { EventSink, SinkHandlers, StreamEnd } from './event-sink.ts';
import { changesSince, newestVersions, PAGE_CHANGES } from './read-changes.ts';
import type { SessionCheck } from './session-check.ts';
import { createUpkeep, type Kept } from './stream-upkeep.ts';

/** Milliseconds, and how many streams; every one has a default. */
export interface ChangeHubLimits {
  /** Changes of so long are sent together. Default 250. */
  coalesceMs?: number | undefined;
  /** Default 15 s: below the 30 s after which common proxies close a silent connection. */
  heartbeatMs?: number | undefined;
  /** A stream without an event for so long is closed. Default 5 min. */
  idleMs?: number | undefined;
  /** How often a stream's session is checked, at the next heartbeat. Default 30 s. */
  reauthorizeMs?: number | undefined;
  /** Default 10. */
  maxStreamsPerUser?: number | undefined;
  /** Of this process. Default 2,000. */
  maxStreams?: number | undefined;
}

export interface ChangeHubParts {
  db: Database;
  /** To and from the other processes. */
  signals: Signals;
  view: AssetView;
  stats: StatsReader;
  clock: Clock;
  logger: Logger;
  telemetry?: Telemetry | undefined;
  limits?: ChangeHubLimits | undefined;
}

export interface StreamRequest {
  userId: string;
  /** Everything after it is sent first. */
  lastEventId?: number | undefined;
  /** Default: the session stands as long as the stream. */
  isSessionValid?: SessionCheck | undefined;
}

/** Pushes changes of assets, of whichever process, to whoever watches them here. */
export interface ChangeHub extends ChangeFeed {
  /**
   * Opens a stream of one user's changes: every one after `lastEventId` (none when it is undefined), then
   * the counts, then whatever happens. `create` is called once the limits allow it.
   * @throws {ProblemError} `rate_limited` when the user has too many, `unavailable` when the process has.
   */
  open<T extends EventSink>(
    request: StreamRequest,
    create: (handlers: SinkHandlers) => T,
  ): Promise<T>;
  readonly streamCount: number;
  /** Ends all streams; they are told to come back. */
  close(): Promise<void>;
}

interface Watcher extends Kept {
  /** Of the last change it was sent. */
  version: number;
  /** False until it is known where its changes begin: no flush may send to it. */
  hasJoined: boolean;
  /** The counts may differ from those it was sent last. */
  isOwedStats: boolean;
}

interface Channel {
  watchers: Set<Watcher>;
  coalescing: NodeJS.Timeout | undefined;
  /** One flush of a user at a time: each watcher's version moves forward in one place only. */
  flushing: Promise<void>;
}

export function createChangeHub(parts: ChangeHubParts): ChangeHub {
  const { db, signals, view, stats, clock, logger, telemetry = noTelemetry } = parts;
  const coalesceMs = parts.limits?.coalesceMs ?? 250;
  const maxStreamsPerUser = parts.limits?.maxStreamsPerUser ?? 10;
  const maxStreams = parts.limits?.maxStreams ?? 2000;
  const senderId = randomUUID();
  const notifier = createChangeNotifier(signals, { logger, senderId });
  const channels = new Map<string, Channel>();
  let streamCount = 0;
  let isClosed = false;
  let listening: Promise<(() => Promise<void>) | undefined> | undefined;

  const watchers = () => [...channels.values()].flatMap((channel) => [...channel.watchers]);

  const upkeep = createUpkeep({
    watchers,
    // What a lost message would have said is found out here.
    look: () => look(),
    clock,
    logger,
    heartbeatMs: parts.limits?.heartbeatMs,
    idleMs: parts.limits?.idleMs,
    reauthorizeMs: parts.limits?.reauthorizeMs,
  });

  const leave = (userId: string, channel: Channel, watcher: Watcher) => {
    if (!channel.watchers.delete(watcher)) return;
    streamCount--;
    telemetry.streamClosed(watcher.sink.transport, watcher.end ?? 'gone');
    if (channel.watchers.size === 0) {
      clearTimeout(channel.coalescing);
      if (channels.get(userId) === channel) channels.delete(userId);
    }
    if (channels.size === 0) upkeep.stop();
  };

  /** Every watcher has a version of its own: one that joined late or fell behind misses nothing. */
  const flush = async (userId: string, channel: Channel): Promise<void> => {
    const open = () =>
      [...channel.watchers].filter(({ hasJoined, sink }) => hasJoined && sink.canSend);
    for (;;) {
      const ready = open();
      if (ready.length === 0) return;
      const since = Math.min(...ready.map(({ version }) => version));
      const rows = await changesSince(db, userId, since);
      const last = rows.at(-1);
      if (!last) break;
      const changes = await Promise.all(rows.map((row) => view.change(row)));
      // Streams of one user mostly stand at one version, and then share the text.
      const texts = new Map<number, string>();
      for (const watcher of ready) {
        const missed = changes.filter((change) => change.version > watcher.version);
        if (missed.length === 0) continue;
        const text =
          texts.get(missed.length) ?? JSON.stringify({ type: 'assets', changes: missed });
        texts.set(missed.length, text);
        watcher.sink.send(text, last.version);
        watcher.version = last.version;
        watcher.isOwedStats = true;
        watcher.lastEventMs = clock();
        telemetry.eventsSent(1);
      }
      if (rows.length < PAGE_CHANGES) break;
    }
    const owed = open().filter(({ isOwedStats }) => isOwedStats);
    if (owed.length === 0) return;
    const counts = await stats.read(userId);
    const timestamp = new Date(clock()).toISOString();
    const text = JSON.stringify({ type: 'progress', stats: counts, timestamp });
    for (const watcher of owed) {
      watcher.sink.send(text, watcher.version);
      watcher.isOwedStats = false;
      watcher.lastEventMs = clock();
      telemetry.eventsSent(1);
    }
  };

  const flushNext = (userId: string, channel: Channel): Promise<void> => {
    channel.flushing = channel.flushing
      .then(() => flush(userId, channel))
      .catch((error: unknown) => {
        // The versions stand where they stood: the next heartbeat looks again.
        logger.warn({ err: error }, 'Changes could not be pushed yet');
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

  const noticed = (userIds: Iterable<string>) => {
    for (const userId of userIds) {
      stats.invalidate(userId);
      const channel = channels.get(userId);
      if (channel) schedule(userId, channel);
    }
  };

  /** Whose streams are behind? One query for all. */
  const look = async (): Promise<void> => {
    listen();
    const newest = await newestVersions(db, [...channels.keys()]);
    const behind = [...channels].filter(([userId, channel]) =>
      [...channel.watchers].some(
        ({ hasJoined, isOwedStats, version }) =>
          hasJoined && (isOwedStats || version < (newest.get(userId) ?? 0)),
      ),
    );
    noticed(behind.map(([userId]) => userId));
  };

  const lookQuietly = () => {
    look().catch((error: unknown) => {
      logger.warn({ err: error }, 'Event streams could not be brought up to date yet');
    });
  };

  /** From the first stream on: a process without streams needs no connection for it. */
  const listen = () => {
    if (isClosed) return undefined;
    listening ??= listenForChanges(
      signals,
      logger,
      (message) => {
        if (message.senderId === senderId) return;
        if (message.userIds) noticed(message.userIds);
        else lookQuietly();
      },
      lookQuietly,
    ).catch((error: unknown) => {
      listening = undefined;
      logger.warn(
        { err: error },
        'Changes of other processes are heard at heartbeats only, for now',
      );
      return undefined;
    });
    return listening;
  };

  const refuse = (count: number): ProblemError | undefined => {
    if (isClosed) return new ProblemError('unavailable', undefined, { retryAfterSeconds: 1 });
    if (count >= maxStreamsPerUser) {
      telemetry.streamRefused('user');
      return new ProblemError(
        'rate_limited',
        `At most ${maxStreamsPerUser} event streams may be open. Close one and try again`,
        { retryAfterSeconds: 5 },
      );
    }
    if (streamCount < maxStreams) return undefined;
    telemetry.streamRefused('server');
    const detail =
      'This server has as many event streams as it takes. Ask for the counts meanwhile';
    return new ProblemError('unavailable', detail, { retryAfterSeconds: 30 });
  };

  return {
    get streamCount() {
      return streamCount;
    },

    changed(userIds) {
      const ids = [...userIds];
      noticed(ids);
      notifier.changed(ids);
    },

    async open({ userId, lastEventId, isSessionValid }, create) {
      // Taken synchronously, before anything is awaited: the limits hold under a race.
      const channel: Channel = channels.get(userId) ?? {
        watchers: new Set(),
        coalescing: undefined,
        flushing: Promise.resolve(),
      };
      const refusal = refuse(channel.watchers.size);
      if (refusal) throw refusal;
      const sink = create({
        onDrain: () => schedule(userId, channel),
        onClose: () => leave(userId, channel, watcher),
      });
      const watcher: Watcher = {
        sink,
        version: 0,
        hasJoined: false,
        isOwedStats: true,
        isSessionValid,
        lastEventMs: clock(),
        checkedMs: clock(),
        verifiedMs: clock(),
        end: undefined,
      };
      channel.watchers.add(watcher);
      channels.set(userId, channel);
      streamCount++;
      telemetry.streamOpened(sink.transport);
      upkeep.start();
      try {
        // Before the version is read, so that no change falls between the two.
        await listen();
        const newest = (await newestVersions(db, [userId])).get(userId) ?? 0;
        // An id from before the database was replaced lies in the future: it says nothing.
        const isKnown = lastEventId !== undefined && lastEventId <= newest;
        watcher.version = isKnown ? lastEventId : newest;
        watcher.hasJoined = true;
      } catch (error) {
        end(watcher, 'failed');
        throw error;
      }
      void flushNext(userId, channel);
      return sink;
    },

    async close() {
      isClosed = true;
      for (const channel of channels.values()) clearTimeout(channel.coalescing);
      for (const watcher of watchers()) end(watcher, 'restart');
      upkeep.stop();
      await notifier.close();
      const unlisten = await listening;
      await unlisten?.();
    },
  };
}

function end(watcher: Watcher, why: StreamEnd): void {
  watcher.end = why;
  watcher.sink.close(why);
}
