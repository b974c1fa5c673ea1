import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { JobGate } from '../src/jobs/job-gate.ts';
import { type ClaimedJob, type JobSource, startJobLoop } from '../src/jobs/job-loop.ts';
import { type Job, LeaseLostError } from '../src/jobs/queue.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';

/** A job engine in memory that records how each job was settled. */
function fakeSource(ids: readonly string[]) {
  const waiting = ids.map((id): ClaimedJob => ({ id, retryCount: 0, data: { assetId: id } }));
  const settled = new Map<string, string>();
  const lost = new Set<string>();
  const settle = (how: string) => async (jobs: readonly ClaimedJob[]) => {
    const held = jobs.filter((job) => !lost.has(job.id)).map((job) => job.id);
    for (const id of held) settled.set(id, how);
    return new Set(held);
  };
  const giveBack = settle('given back');
  const source = {
    fetch: vi.fn(async (limit: number) => waiting.splice(0, limit)),
    complete: vi.fn<JobSource['complete']>(settle('completed')),
    fail: vi.fn(async (job: ClaimedJob) => (await giveBack([job])).has(job.id)),
    release: vi.fn(async (jobs: readonly ClaimedJob[]) => void (await settle('released')(jobs))),
    touch: vi.fn(
      async (jobs: readonly ClaimedJob[]) =>
        new Set(jobs.map((job) => job.id).filter((id) => !lost.has(id))),
    ),
  } satisfies JobSource;
  return { source, waiting, settled, lost };
}

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

function start(
  source: JobSource,
  handler: (job: Job) => Promise<void>,
  options: {
    concurrency?: number;
    pollIntervalMs?: number;
    heartbeatMs?: number;
    gate?: JobGate;
  } = {},
) {
  const logger = recordingLogger();
  const defaults = { concurrency: 2, pollIntervalMs: 20, heartbeatMs: 10_000 };
  const loop = startJobLoop({ name: 'process', source, handler, logger, ...defaults, ...options });
  stops.push(() => loop.stop(0));
  return { loop, logger };
}

describe('the job loop', () => {
  it('refills a free slot at once, without waiting for the slowest', async () => {
    const ids = Array.from({ length: 20 }, (_, i) => `${i}`);
    const { source, settled } = fakeSource(ids);
    let inFlight = 0;
    let most = 0;
    let release = () => {};
    const slow = new Promise<void>((resolve) => {
      release = resolve;
    });
    start(
      source,
      async (job) => {
        most = Math.max(most, ++inFlight);
        await (job.id === '0' ? slow : sleep(1));
        inFlight--;
      },
      { concurrency: 3, pollIntervalMs: 60_000 },
    );
    await vi.waitFor(() => expect(settled.size).toBe(19), 10_000);
    expect(settled.has('0')).toBe(false);
    release();
    await vi.waitFor(() => expect(settled.size).toBe(20), 10_000);
    expect(most).toBe(3);
  });

  it('fetches no more than its gate admits, and gives back what found no job', async () => {
    const { source, settled } = fakeSource(['1', '2', '3', '4', '5']);
    let tokens = 0;
    const gate = {
      admit: vi.fn(async (wanted: number) => {
        const permits = Math.min(wanted, tokens);
        tokens -= permits;
        return { permits, waitMs: 60_000 };
      }),
      giveBack: vi.fn((permits: number) => {
        tokens += permits;
      }),
    };
    const { loop } = start(source, async () => {}, { gate });
    await vi.waitFor(() => expect(gate.admit.mock.calls.length).toBeGreaterThan(2), 10_000);
    // A gate that is shut says for how long, but it may be opened before.
    expect(source.fetch).not.toHaveBeenCalled();
    tokens = 2;
    await vi.waitFor(() => expect(settled.size).toBe(2), 10_000);
    expect(source.fetch.mock.calls).toEqual([[2]]);
    tokens = 7;
    loop.wake();
    await vi.waitFor(() => expect(settled.size).toBe(5), 10_000);
    expect(gate.giveBack).toHaveBeenCalledWith(4);
    expect(tokens).toBe(4);
  });

  it('waits and goes on when its gate fails', async () => {
    const { source, settled } = fakeSource(['1']);
    const admit = vi
      .fn(async () => ({ permits: 8, waitMs: 0 }))
      .mockRejectedValueOnce(new Error('the limiter is away'));
    const { logger } = start(source, async () => {}, { gate: { admit, giveBack: () => {} } });
    await vi.waitFor(() => expect(settled.get('1')).toBe('completed'), 10_000);
    expect(logger.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
  });

  it('looks for jobs when woken, long before its next poll', async () => {
    const { source, waiting, settled } = fakeSource([]);
    const { loop } = start(source, async () => {}, { pollIntervalMs: 60_000 });
    await vi.waitFor(() => expect(source.fetch).toHaveBeenCalled(), 10_000);
    waiting.push({ id: 'late', retryCount: 0, data: { assetId: 'late' } });
    loop.wake();
    await vi.waitFor(() => expect(settled.get('late')).toBe('completed'), 10_000);
  });

  it('takes a trickle of jobs in sips: far fewer claims than jobs, and no claims for nothing', async () => {
    const { source, waiting, settled } = fakeSource([]);
    const { loop } = start(source, async () => {}, { concurrency: 8, pollIntervalMs: 60_000 });
    for (let i = 0; i < 40; i++) {
      waiting.push({ id: `${i}`, retryCount: 0, data: { assetId: `${i}` } });
      loop.wake();
      await sleep(5);
    }
    await vi.waitFor(() => expect(settled.size).toBe(40), 10_000);
    expect(source.fetch.mock.calls.length).toBeLessThanOrEqual(15);
  });

  it('claims again without a pause while there is more than it asked for', async () => {
    const { source, settled } = fakeSource(Array.from({ length: 200 }, (_, i) => `${i}`));
    const startedAt = performance.now();
    start(source, async () => {}, { concurrency: 2, pollIntervalMs: 60_000 });
    await vi.waitFor(() => expect(settled.size).toBe(200), 10_000);
    // 25 claims of 8: with a pause of 50 ms after each they would take over a second.
    expect(performance.now() - startedAt).toBeLessThan(600);
    expect(source.fetch.mock.calls.length).toBeLessThan(30);
  });

  it('remembers a job announced while every slot was taken', async () => {
    const { source, waiting, settled } = fakeSource(['first']);
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const handler = (job: Job) => (job.id === 'first' ? held : Promise.resolve());
    const { loop } = start(source, handler, { concurrency: 1, pollIntervalMs: 60_000 });
    await vi.waitFor(() => expect(waiting).toHaveLength(0), 10_000);
    await sleep(80);
    waiting.push({ id: 'second', retryCount: 0, data: { assetId: 'second' } });
    loop.wake();
    await sleep(20);
    release();
    await vi.waitFor(() => expect(settled.size).toBe(2), 10_000);
  });

  it('gives the job of a handler that throws back, and goes on with the others', async () => {
    const { source, settled } = fakeSource(['bad', 'good']);
    const { logger } = start(source, async (job) => {
      if (job.id === 'bad') throw new Error('boom');
    });
    await vi.waitFor(() => expect(settled.size).toBe(2), 10_000);
    expect(Object.fromEntries(settled)).toEqual({ bad: 'given back', good: 'completed' });
    expect(logger.lines.filter((line) => line.level === 'error')).toHaveLength(1);
  });

  it('settles a job once when the handler settled it in its own transaction', async () => {
    const { source, settled } = fakeSource(['a']);
    const tx = {} as Parameters<Job['complete']>[0];
    start(source, (job) => job.complete(tx));
    await vi.waitFor(() => expect(settled.size).toBe(1), 10_000);
    await sleep(20);
    expect(source.complete).toHaveBeenCalledTimes(1);
    expect(source.complete.mock.calls[0]).toContain(tx);
  });

  it('settles jobs that share a transaction in one call, and refuses only those it lost', async () => {
    const { source, settled, lost } = fakeSource(['a', 'b', 'c']);
    lost.add('b');
    const tx = {} as Parameters<Job['complete']>[0];
    const outcomes = new Map<string, unknown>();
    const handler = async (job: Job) => {
      await job.complete(tx).then(
        () => outcomes.set(job.id, 'held'),
        (error: unknown) => {
          outcomes.set(job.id, error);
          throw error;
        },
      );
    };
    start(source, handler, { concurrency: 3 });
    await vi.waitFor(() => expect(outcomes.size).toBe(3), 10_000);
    expect(outcomes.get('a')).toBe('held');
    expect(outcomes.get('b')).toBeInstanceOf(LeaseLostError);
    expect(outcomes.get('c')).toBe('held');
    expect(source.complete).toHaveBeenCalledTimes(1);
    expect([...settled.keys()]).toEqual(['a', 'c']);
  });

  it('aborts the handler when a heartbeat finds the lease lost, and settles nothing', async () => {
    const { source, settled, lost } = fakeSource(['a']);
    let reason: unknown;
    const handler = async (job: Job) => {
      await sleep(5000, undefined, { signal: job.signal }).catch(() => {});
      reason = job.signal.reason;
      job.signal.throwIfAborted();
    };
    const { logger } = start(source, handler, { heartbeatMs: 15 });
    lost.add('a');
    await vi.waitFor(() => expect(reason).toBeInstanceOf(LeaseLostError), 10_000);
    await sleep(10);
    expect(settled.size).toBe(0);
    expect(source.fail).not.toHaveBeenCalled();
    expect(logger.lines.at(-1)?.message).toContain('lease lost');
  });

  it('refuses to settle in a transaction once the lease is lost', async () => {
    const { source, lost } = fakeSource(['a']);
    lost.add('a');
    let thrown: unknown;
    const handler = async (job: Job) => {
      await job.complete({} as Parameters<Job['complete']>[0]).catch((error: unknown) => {
        thrown = error;
        throw error;
      });
    };
    start(source, handler);
    await vi.waitFor(() => expect(thrown).toBeInstanceOf(LeaseLostError), 10_000);
  });

  it('lets running handlers finish on stop, and takes no new jobs', async () => {
    const { source, waiting, settled } = fakeSource(['a', 'b']);
    const { loop } = start(source, () => sleep(60), { concurrency: 2 });
    await vi.waitFor(() => expect(waiting).toHaveLength(0), 10_000);
    waiting.push({ id: 'c', retryCount: 0, data: { assetId: 'c' } });
    await loop.stop(1000);
    expect([...settled.keys()].sort()).toEqual(['a', 'b']);
    expect(waiting).toHaveLength(1);
  });

  it('claims a few jobs ahead, keeps their leases, and gives them back on stop', async () => {
    const ids = Array.from({ length: 12 }, (_, i) => `${i}`);
    const { source, waiting, settled } = fakeSource(ids);
    const wait = (job: Job) => sleep(60_000, undefined, { signal: job.signal });
    const { loop } = start(source, wait, { concurrency: 2, heartbeatMs: 15 });
    await vi.waitFor(() => expect(waiting).toHaveLength(4), 10_000);
    await vi.waitFor(() => {
      const touched = new Set(
        source.touch.mock.calls.flatMap(([jobs]) => jobs.map((job) => job.id)),
      );
      expect(touched.size).toBe(8);
    });
    await loop.stop(0);
    expect(settled.size).toBe(8);
    const how = [...settled.values()].sort();
    // Those that ran were delivered; those that waited were not, which does not count.
    expect(how).toEqual([...Array(2).fill('given back'), ...Array(6).fill('released')]);
    expect(waiting).toHaveLength(4);
  });

  it('does not start a job claimed ahead whose lease is lost', async () => {
    const { source, lost } = fakeSource(['running', 'ahead']);
    const started: string[] = [];
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const handler = (job: Job) => {
      started.push(job.id);
      return held;
    };
    start(source, handler, { concurrency: 1, heartbeatMs: 15 });
    await vi.waitFor(() => expect(started).toEqual(['running']), 10_000);
    lost.add('ahead');
    source.touch.mockClear();
    await vi.waitFor(() =>
      expect(source.touch.mock.calls.flatMap(([jobs]) => jobs.map((job) => job.id))).toContain(
        'ahead',
      ),
    );
    await sleep(5);
    release();
    await sleep(100);
    expect(started).toEqual(['running']);
  });

  it('aborts what outlasts the grace, and gives those jobs back', async () => {
    const { source, waiting, settled } = fakeSource(['slow']);
    const { loop } = start(source, (job) => sleep(60_000, undefined, { signal: job.signal }));
    await vi.waitFor(() => expect(waiting).toHaveLength(0), 10_000);
    await loop.stop(30);
    expect(settled.get('slow')).toBe('given back');
  });

  it('keeps trying, ever more slowly, while the engine cannot be reached', async () => {
    const { source, settled } = fakeSource(['a']);
    source.fetch.mockRejectedValueOnce(new Error('down')).mockRejectedValueOnce(new Error('down'));
    const { logger } = start(source, async () => {});
    await vi.waitFor(() => expect(settled.size).toBe(1), 10_000);
    expect(logger.lines.map((line) => line.fields.retryInMs)).toEqual([20, 40]);
  });
});
