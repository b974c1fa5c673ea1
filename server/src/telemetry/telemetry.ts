import type { StreamEnd } from '../events/event-sink.ts';

/**
 * The four things that are timed, each for a whole request or one job.
 *
 * @inline
 */
export type Stage = 'credentials' | 'finalize' | 'process' | 'embed';

/**
 * What came of one file in a stage: `granted` and `refused` belong to credentials, `finalized` and
 * `refused` to finalize, `duplicate` to both, the others to jobs.
 *
 * @inline
 */
export type Outcome =
  | 'granted'
  | 'finalized'
  | 'duplicate'
  | 'refused'
  | 'done'
  | 'retried'
  | 'failed';

/**
 * Plain facts beside a span: counts, ids, codes. Never names, URLs, or whose.
 *
 * @inline
 */
export type Attributes = Record<string, string | number | boolean>;

/** A request that was answered. */
export interface Answered {
  method: string;
  /** The route's pattern, with no id in it. */
  route: string;
  status: number;
  seconds: number;
}

/**
 * What the parts tell about their work. Calls are cheap, never throw, and never wait; whoever gets none
 * tells {@link noTelemetry}.
 */
export interface Telemetry {
  /** Runs `work` as one span and times it. `note` adds attributes once they are known. */
  time<T>(
    stage: Stage,
    attributes: Attributes,
    work: (note: (attributes: Attributes) => void) => Promise<T>,
  ): Promise<T>;
  files(stage: Stage, outcome: Outcome, count?: number): void;
  /** @param cause a code of `PROBLEMS`, or `throttled` by the embedder */
  failure(stage: Stage, cause: string, count?: number): void;
  /** Files became assets: when each had been reserved, in milliseconds since the epoch. */
  uploaded(reservedAtMs: readonly number[]): void;
  rateLimited(): void;
  answered(answer: Answered): void;
  streamOpened(transport: string): void;
  streamClosed(transport: string, end: StreamEnd | 'gone'): void;
  streamRefused(limit: 'user' | 'server'): void;
  eventsSent(count: number): void;
}

export const noTelemetry: Telemetry = {
  time: (_stage, _attributes, work) => work(() => {}),
  files() {},
  failure() {},
  uploaded() {},
  rateLimited() {},
  answered() {},
  streamOpened() {},
  streamClosed() {},
  streamRefused() {},
  eventsSent() {},
};
