import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import type { OpenDatabase } from '../database/open-database.ts';

const SAMPLE_MS = 1000;
const RESOLUTION_MS = 20;
/** Requests that find the event loop busy for so long on the average are slow for everybody. */
const OVERLOADED_DELAY_MS = 200;
/** What a sample without load leaves of the pressure before: about half is gone after 3 s. */
const DECAY = 0.8;

/** How loaded this process is, measured once a second. */
export interface ServerPressure {
  /** 0 (idle) to 1 (overloaded). */
  read(): number;
  /** Ends the measuring. */
  close(): void;
}

export interface ServerPressureOptions {
  database: Pick<OpenDatabase, 'engine'>;
  /** More that may be under pressure, each from 0 to 1: the worst counts. */
  sources?: readonly (() => number)[];
}

/**
 * Pressure by what makes requests slow: the delay of the event loop (1 at 200 ms on the average), and
 * requests that wait for a connection to the database (1 when as many wait as there are connections).
 * It rises at once and decays over seconds. A long job queue is no pressure: processing may lag behind, that
 * is what the queue is for.
 */
export function createServerPressure(options: ServerPressureOptions): ServerPressure {
  const { engine } = options.database;
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  const sources = [createDelayReader(histogram), ...(options.sources ?? [])];
  if (engine.kind === 'postgres') {
    const { pool } = engine;
    sources.push(() => pool.waitingCount / pool.options.max);
  }
  let pressure = 0;
  const timer = setInterval(() => {
    pressure = nextPressure(
      pressure,
      sources.map((read) => read()),
    );
  }, SAMPLE_MS).unref();
  return {
    read: () => pressure,
    close() {
      clearInterval(timer);
      histogram.disable();
    },
  };
}

/** The worst of the samples, or what is left of the pressure before when that is more. */
export function nextPressure(before: number, samples: readonly number[]): number {
  const worst = Math.max(0, ...samples.map((sample) => (Number.isNaN(sample) ? 0 : sample)));
  return Math.min(1, Math.max(worst, before * DECAY));
}

/**
 * The mean delay since the last call, as a part of what counts as overloaded. The histogram is never reset: it
 * would leave out the delay that spans the reset, which on an overloaded server is every delay.
 */
export function createDelayReader(
  histogram: Pick<IntervalHistogram, 'count' | 'mean'>,
): () => number {
  let count = 0;
  let sumNs = 0;
  return () => {
    const total = histogram.count > 0 ? histogram.mean * histogram.count : 0;
    const ticks = histogram.count - count;
    const delayMs = ticks > 0 ? (total - sumNs) / ticks / 1e6 - RESOLUTION_MS : 0;
    count = histogram.count;
    sumNs = total;
    return Math.max(0, delayMs / OVERLOADED_DELAY_MS);
  };
}
