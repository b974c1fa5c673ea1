import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { takeTokens } from '../src/rate-limit/bucket.ts';
import { createSharedLimiter } from '../src/rate-limit/shared-limiter.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A limiter on a state that fails when it is told to. */
function createFailing(options: { onFailure?: 'local' | 'refuse' } = {}) {
  const state = { isDown: false, asked: 0 };
  const logger = recordingLogger();
  const limiter = createSharedLimiter(
    {
      async take(_, take) {
        state.asked += 1;
        if (state.isDown) throw new Error('gone');
        return takeTokens({ tokens: 50, updatedAtMs: Date.now() }, take, Date.now());
      },
    },
    { stateName: 'The state', defaultTimeoutMs: 1000 },
    { ...options, logger },
  );
  return { state, limiter, logger };
}

test('while the state is away requests are limited in the process, and then by the state again', async () => {
  const { state, limiter } = createFailing();
  expect((await limiter.consume('ada')).remaining).toBe(49);
  state.isDown = true;
  expect(await limiter.consume('ada')).toMatchObject({ allowed: true, remaining: 99 });
  expect(await limiter.consume('ada', 99)).toMatchObject({ allowed: true, remaining: 0 });
  expect(await limiter.consume('ada')).toMatchObject({ allowed: false, retryAfter: 6 });
  state.isDown = false;
  await vi.advanceTimersByTimeAsync(1000);
  expect((await limiter.consume('ada')).remaining).toBe(49);
});

test('a state that failed is left alone for a second', async () => {
  const { state, limiter } = createFailing();
  state.isDown = true;
  for (let i = 0; i < 20; i++) await limiter.consume('ada');
  expect(state.asked).toBe(1);
  await vi.advanceTimersByTimeAsync(1000);
  await limiter.consume('ada');
  expect(state.asked).toBe(2);
});

test('an outage is logged at its start, once a minute, and at its end', async () => {
  const { state, limiter, logger } = createFailing();
  state.isDown = true;
  for (let second = 0; second < 90; second++) {
    await limiter.consume('ada');
    await vi.advanceTimersByTimeAsync(1000);
  }
  state.isDown = false;
  await limiter.consume('ada');
  await limiter.consume('ada');
  const said = logger.lines.filter(({ message }) => message.includes('The state'));
  expect(said.map(({ level, message }) => `${level}: ${message}`)).toEqual([
    'error: [RateLimit] The state cannot be asked; each process limits by itself',
    'error: [RateLimit] The state cannot be asked; each process limits by itself',
    'info: [RateLimit] The state answers again',
  ]);
  expect(said[0]?.fields).toMatchObject({ err: { message: 'gone' } });
});

test('who would rather stop answers 503 with a Retry-After', async () => {
  const { state, limiter, logger } = createFailing({ onFailure: 'refuse' });
  state.isDown = true;
  for (let i = 0; i < 2; i++) {
    await expect(limiter.consume('ada')).rejects.toMatchObject({
      code: 'unavailable',
      retryAfterSeconds: 1,
      cause: { message: 'gone' },
    });
  }
  expect(logger.lines).toHaveLength(1);
});

test('a wrong call is no outage', async () => {
  const { limiter, logger } = createFailing();
  await expect(limiter.consume('ada', 0)).rejects.toThrow(RangeError);
  expect((await limiter.consume('ada')).remaining).toBe(49);
  expect(logger.lines).toEqual([]);
});
