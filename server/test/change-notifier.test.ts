import { expect, test, vi } from 'vitest';
import {
  createChangeNotifier,
  listenForChanges,
  payloadsOf,
} from '../src/events/change-notifier.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';

const SENDER = 'b5c1c1a0-0000-4000-8000-000000000000';
const named = (payloads: readonly string[]) =>
  payloads.flatMap((payload) => JSON.parse(payload).userIds ?? ['(somebody)']);

test('thousands of users take several messages, each below PostgreSQL’s limit', () => {
  const userIds = Array.from({ length: 5000 }, (_, n) => `user-${n}-é"\\`);
  const payloads = payloadsOf(SENDER, userIds);
  expect(named(payloads)).toEqual(userIds);
  const sizes = payloads.map((payload) => Buffer.byteLength(payload));
  expect(Math.max(...sizes)).toBeLessThanOrEqual(7999);
  // All but the last one are nearly full.
  expect(Math.min(...sizes.slice(0, -1))).toBeGreaterThan(7800);
});

test('a user whose name fits no message is announced as somebody', () => {
  expect(named(payloadsOf(SENDER, ['ada', 'x'.repeat(9000), 'grace']))).toEqual([
    '(somebody)',
    'ada',
    'grace',
  ]);
});

test('changes of a moment are one message, and each user is named once', async () => {
  vi.useFakeTimers();
  try {
    const send = vi.fn(async (_channel: string, _payload: string) => {});
    const notifier = createChangeNotifier({ send }, { logger: recordingLogger() });
    for (let n = 0; n < 100; n++) notifier.changed(['ada', `user-${n % 10}`]);
    expect(send).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(50);
    expect(named(send.mock.calls.map(([, payload]) => payload))).toHaveLength(11);
    notifier.changed(['last']);
    await notifier.close();
    expect(named(send.mock.calls.slice(1).map(([, payload]) => payload))).toEqual(['last']);
    notifier.changed(['too late']);
    await vi.advanceTimersByTimeAsync(1000);
    expect(send).toHaveBeenCalledTimes(2);
  } finally {
    vi.useRealTimers();
  }
});

test('a message that cannot be sent is logged, and the next one is sent', async () => {
  const logger = recordingLogger();
  const send = vi.fn(async (_channel: string, _payload: string) => {});
  send.mockRejectedValueOnce(new Error('gone'));
  const notifier = createChangeNotifier({ send }, { logger, coalesceMs: 1 });
  notifier.changed(['ada']);
  await expect.poll(() => logger.lines).toMatchObject([{ level: 'warn', fields: { users: 1 } }]);
  notifier.changed(['grace']);
  await notifier.close();
  expect(named([send.mock.calls[1]?.[1] ?? ''])).toEqual(['grace']);
});

test('what others say on the channel is not taken for a message', async () => {
  const logger = recordingLogger();
  const received: unknown[] = [];
  let say: (payload: string) => void = () => {};
  const listen = async (_channel: string, onMessage: (payload: string) => void) => {
    say = onMessage;
    return async () => {};
  };
  await listenForChanges(
    { listen },
    logger,
    (message) => received.push(message),
    () => {},
  );
  for (const payload of [
    '',
    'ada',
    '[]',
    'null',
    '{"senderId":1}',
    '{"senderId":"a","userIds":[1]}',
  ])
    say(payload);
  say('{"senderId":"a","userIds":["ada"]}');
  expect(received).toEqual([{ senderId: 'a', userIds: ['ada'] }]);
  expect(logger.lines).toHaveLength(6);
});
