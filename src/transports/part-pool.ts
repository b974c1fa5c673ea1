import { UploadError } from '../errors/upload-error.ts';

/** Of a new figure in the mean of all: the last few parts count. */
const NEWEST_SHARE = 0.3;

/** The connections that the parts of all files of one adapter share, and how fast they are. */
export interface PartPool {
  /** Runs it when a connection is free, in the order of the calls. @throws UploadError `cancelled` */
  run<T>(task: () => Promise<T>, signal: AbortSignal): Promise<T>;
  /** A part went through. */
  sent(bytes: number, tookMs: number): void;
  /** Mean of what one connection carried lately; undefined before the first part. */
  readonly goodputBytesPerSecond: number | undefined;
  /** Connections. */
  readonly size: number;
}

/** @param size parts under way at once, of all files */
export function createPartPool(size: number): PartPool {
  const waiting: (() => void)[] = [];
  let running = 0;
  let goodput: number | undefined;

  const turn = (signal: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      const cancelled = () => reject(new UploadError('cancelled', 'The upload was cancelled.'));
      if (signal.aborted) return cancelled();
      const begin = () => {
        signal.removeEventListener('abort', leave);
        running += 1;
        resolve();
      };
      const leave = () => {
        waiting.splice(waiting.indexOf(begin), 1);
        cancelled();
      };
      if (running < size) return begin();
      waiting.push(begin);
      signal.addEventListener('abort', leave, { once: true });
    });

  return {
    size,
    get goodputBytesPerSecond() {
      return goodput;
    },
    async run(task, signal) {
      await turn(signal);
      try {
        return await task();
      } finally {
        running -= 1;
        waiting.shift()?.();
      }
    },
    sent(bytes, tookMs) {
      const newest = (bytes * 1_000) / Math.max(tookMs, 1);
      goodput =
        goodput === undefined ? newest : goodput * (1 - NEWEST_SHARE) + newest * NEWEST_SHARE;
    },
  };
}
