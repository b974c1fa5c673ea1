import { randomUUID } from 'node:crypto';
import type { Signals } from '../database/signals.ts';
import type { Logger } from '../logging.ts';
import type { ChangeFeed } from './change-feed.ts';

const CHANNEL = 'bulkhead_changes';
/** PostgreSQL's limit of a payload. */
const MAX_PAYLOAD_BYTES = 7999;
/** Of an envelope: the sender's id, brackets, quotes. */
const ENVELOPE_BYTES = 60;

/**
 * A {@link ChangeFeed} that tells the streams of every process on the database, by LISTEN/NOTIFY. What a
 * worker process hands to `createWorkers`.
 */
export interface ChangeNotifier extends ChangeFeed {
  /** Sends what was gathered, then no more. */
  close(): Promise<void>;
}

export interface ChangeNotifierOptions {
  logger: Logger;
  /**
   * Users whose changes come within so long are named in one message. Default 50 ms: a busy worker sends
   * 20 messages a second instead of hundreds, and nobody sees the difference.
   */
  coalesceMs?: number | undefined;
  /** Goes with every message, so that its sender can pass it over. */
  senderId?: string | undefined;
}

/** What one message says: whose assets changed. `null`: somebody's, whose name is too long to be sent. */
export interface ChangeMessage {
  senderId: string;
  userIds: string[] | null;
}

export function createChangeNotifier(
  signals: Pick<Signals, 'send'>,
  { logger, coalesceMs = 50, senderId = randomUUID() }: ChangeNotifierOptions,
): ChangeNotifier {
  let gathered = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let sending: Promise<void> = Promise.resolve();
  let isClosed = false;

  /** One message after the other: however busy it is, it takes one connection. */
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    const userIds = [...gathered];
    gathered = new Set();
    sending = sending.then(async () => {
      try {
        for (const payload of payloadsOf(senderId, userIds)) await signals.send(CHANNEL, payload);
      } catch (error) {
        // Streams look for themselves at each heartbeat, so this is late rather than lost.
        logger.warn({ err: error, users: userIds.length }, 'Changes could not be announced');
      }
    });
    return sending;
  };

  return {
    changed(userIds) {
      if (isClosed) return;
      for (const userId of userIds) gathered.add(userId);
      if (gathered.size === 0) return;
      timer ??= setTimeout(() => void flush(), coalesceMs).unref();
    },
    async close() {
      isClosed = true;
      await (gathered.size > 0 ? flush() : sending);
    },
  };
}

/** Hears what all notifiers of the database say. */
export function listenForChanges(
  signals: Pick<Signals, 'listen'>,
  logger: Logger,
  onMessage: (message: ChangeMessage) => void,
  onReconnect: () => void,
): Promise<() => Promise<void>> {
  const receive = (payload: string) => {
    const message = parseMessage(payload);
    if (message) onMessage(message);
    else logger.warn({}, `A message on the channel ${CHANNEL} was not ours`);
  };
  return signals.listen(CHANNEL, receive, onReconnect);
}

/** As few messages as the limit of each allows. */
export function payloadsOf(senderId: string, userIds: readonly string[]): string[] {
  const payloads: string[] = [];
  const envelope = ENVELOPE_BYTES + Buffer.byteLength(JSON.stringify(senderId));
  let batch: string[] = [];
  let bytes = envelope;
  const push = (ids: string[] | null) => {
    payloads.push(JSON.stringify({ senderId, userIds: ids } satisfies ChangeMessage));
  };
  for (const userId of userIds) {
    const length = Buffer.byteLength(JSON.stringify(userId)) + 1;
    if (envelope + length > MAX_PAYLOAD_BYTES) {
      push(null);
      continue;
    }
    if (bytes + length > MAX_PAYLOAD_BYTES) {
      push(batch);
      batch = [];
      bytes = envelope;
    }
    batch.push(userId);
    bytes += length;
  }
  if (batch.length > 0) push(batch);
  return payloads;
}

function parseMessage(payload: string): ChangeMessage | undefined {
  let message: unknown;
  try {
    message = JSON.parse(payload);
  } catch {
    return undefined;
  }
  if (typeof message !== 'object' || message === null) return undefined;
  const { senderId, userIds } = message as Partial<ChangeMessage>;
  if (typeof senderId !== 'string') return undefined;
  if (userIds === null) return { senderId, userIds };
  const isList = Array.isArray(userIds) && userIds.every((id) => typeof id === 'string');
  return isList ? { senderId, userIds } : undefined;
}
