import { describe, expect, test } from 'vitest';
import { createLatencies } from '../src/telemetry/latencies.ts';
import { startMetricsLog } from '../src/telemetry/metrics-log.ts';
import { createWindowCounter } from '../src/telemetry/window-counter.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';

describe('a window counter', () => {
  test('forgets what is older than its window, and nothing newer', () => {
    let nowMs = 1_000_000;
    const counter = createWindowCounter(60_000, () => nowMs);
    counter.add(5);
    nowMs += 30_000;
    counter.add(2);
    expect(counter.total()).toBe(7);
    nowMs += 30_000;
    expect(counter.total()).toBe(2);
    nowMs += 30_000;
    expect(counter.total()).toBe(0);
  });

  test('goes on when the clock is set back, or far ahead', () => {
    let nowMs = 1_000_000;
    const counter = createWindowCounter(60_000, () => nowMs);
    nowMs -= 500_000;
    counter.add(3);
    expect(counter.total()).toBe(3);
    nowMs += 10_000_000;
    expect(counter.total()).toBe(0);
    counter.add(1);
    expect(counter.total()).toBe(1);
  });
});

test('percentiles are right to a few percent, and null where nothing was measured', async () => {
  const latencies = createLatencies(['upload', 'finalize'], () => 0);
  for (let ms = 1; ms <= 1000; ms++) latencies.observe('upload', ms / 1000);
  const { upload, finalize } = await latencies.read();
  expect(upload.count).toBe(1000);
  expect(Math.abs((upload.p50Ms ?? 0) - 500)).toBeLessThan(15);
  expect(Math.abs((upload.p95Ms ?? 0) - 950)).toBeLessThan(15);
  expect(Math.abs((upload.p99Ms ?? 0) - 990)).toBeLessThan(15);
  expect(finalize).toEqual({ count: 0, p50Ms: null, p95Ms: null, p99Ms: null });
});

test('the line of the log has the words that were asked for', async () => {
  const logger = recordingLogger();
  const upload = { count: 7, p50Ms: 120, p95Ms: 450.2, p99Ms: 900 };
  const none = { count: 0, p50Ms: null, p95Ms: null, p99Ms: null };
  const read = async () => ({
    upload,
    finalize: { ...upload, p95Ms: 31.6 },
    credentials: none,
    process: none,
    embed: none,
  });
  const log = startMetricsLog({ latencies: { observed: 7, read }, logger, intervalMs: 5 });
  try {
    await expect
      .poll(() => logger.lines.at(0)?.message)
      .toBe('[Metrics] upload_latency_p95=450ms finalize_p95=32ms');
  } finally {
    log.close();
  }
});
