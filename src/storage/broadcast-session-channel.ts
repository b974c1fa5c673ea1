import { openBroadcast } from './broadcast.ts';
import type { SessionChannel, SessionMessage } from './session-channel.ts';

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

const isFileEntry = (entry: unknown) =>
  Array.isArray(entry) && Number.isSafeInteger(entry[0]) && entry[1] instanceof File;

/** By hand: a schema would add two kilobytes of zod that nothing else in the page needs. */
function isMessage(heard: unknown): heard is SessionMessage {
  if (!isObject(heard)) return false;
  const { type, sessionId, snapshot, entries } = heard;
  if (type === 'hello' || type === 'here') return true;
  if (typeof sessionId !== 'string') return false;
  if (type === 'snapshot') return isObject(snapshot);
  if (type === 'files') return Array.isArray(entries) && entries.every(isFileEntry);
  return type === 'ended';
}

/**
 * The channel between tabs of the same origin.
 *
 * @param databaseName as the journal's
 * @param scope whose sessions: tabs of another user hear nothing
 */
export function broadcastSessionChannel(databaseName: string, scope: string): SessionChannel {
  const broadcast = openBroadcast(`bulkhead:${databaseName}:sessions:${scope}`);
  return {
    isAvailable: broadcast !== undefined,
    post(message) {
      broadcast?.post(message);
    },
    onMessage(listener) {
      const hear = (heard: unknown) => {
        if (isMessage(heard)) listener(heard);
      };
      return broadcast?.listen(hear) ?? (() => {});
    },
    close() {
      broadcast?.close();
    },
  };
}
