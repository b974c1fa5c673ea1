import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { systemRuntime } from '../../src/runtime/runtime.ts';
import { createResumeTokens } from '../../src/transports/resume-tokens.ts';
import type { TokenStorage } from '../../src/transports/token-storage.ts';
import { memoryStorage } from '../support/memory-storage.ts';

const schema = z.object({ location: z.string() });
const DAY_MS = 24 * 60 * 60_000;

function tokensOn(
  storage: TokenStorage | undefined,
  options: { nowMs?: () => number; max?: number } = {},
) {
  const { nowMs = Date.now, max = 3 } = options;
  const runtime = { ...systemRuntime(), epochNow: nowMs };
  const place = { storage, prefix: 'bulkhead:resume:tus:' };
  return createResumeTokens({ place, schema, runtime, maxTokens: max });
}

describe('resume tokens', () => {
  it('outlive the page, and end when they are removed', () => {
    const { storage, items } = memoryStorage();
    tokensOn(storage).set('a', { location: 'x' });
    const after = tokensOn(storage);
    expect(after.get('a')).toEqual({ location: 'x' });
    after.remove('a');
    expect([after.get('a'), items.size]).toEqual([undefined, 0]);
  });

  it('are the adapter’s own', () => {
    const { storage } = memoryStorage();
    tokensOn(storage).set('a', { location: 'x' });
    const runtime = systemRuntime();
    const place = { storage, prefix: 'bulkhead:resume:s3:' };
    expect(createResumeTokens({ place, schema, runtime }).get('a')).toBeUndefined();
  });

  it('are bounded: the oldest goes, and what others keep stays', () => {
    let nowMs = 0;
    const { storage, items } = memoryStorage();
    items.set('theme', 'dark');
    const tokens = tokensOn(storage, { nowMs: () => nowMs });
    for (const key of ['a', 'b', 'c', 'd']) {
      nowMs += 1;
      tokens.set(key, { location: key });
    }
    expect(['a', 'b', 'c', 'd'].map((key) => tokens.get(key)?.location)).toEqual([
      undefined,
      'b',
      'c',
      'd',
    ]);
    expect(items.get('theme')).toBe('dark');
  });

  it('expire after a week', () => {
    let nowMs = 0;
    const { storage, items } = memoryStorage();
    const tokens = tokensOn(storage, { nowMs: () => nowMs });
    tokens.set('a', { location: 'x' });
    nowMs = 6 * DAY_MS;
    expect(tokens.get('a')).toBeDefined();
    nowMs = 8 * DAY_MS;
    expect([tokens.get('a'), items.size]).toEqual([undefined, 0]);
  });

  it.each(['{', '{"atMs":1}', `{"atMs":${Date.now()},"value":{"location":5}}`])(
    'that are spoilt (%s) are as if they were not there',
    (text) => {
      const { storage, items } = memoryStorage();
      items.set('bulkhead:resume:tus:a', text);
      expect([tokensOn(storage).get('a'), items.size]).toEqual([undefined, 0]);
    },
  );

  it('are kept in memory where the storage is full, never an older one in its place', () => {
    let isFull = false;
    const { storage } = memoryStorage(() => isFull);
    const tokens = tokensOn(storage);
    tokens.set('a', { location: 'old' });
    isFull = true;
    tokens.set('a', { location: 'new' });
    expect(tokens.get('a')).toEqual({ location: 'new' });
    expect(tokensOn(storage).get('a')).toBeUndefined();
  });

  it('are kept in memory, and bounded, where there is no storage', () => {
    const tokens = tokensOn(undefined);
    for (const key of ['a', 'b', 'c', 'd']) tokens.set(key, { location: key });
    expect([tokens.get('a'), tokens.get('d')]).toEqual([undefined, { location: 'd' }]);
  });
});
