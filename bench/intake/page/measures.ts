import type { TaskTimes } from './task-probe.ts';

/** Taking files in. */
export interface AddMeasure extends TaskTimes {
  /** Files that the uploader holds afterwards; another number than asked makes the run invalid. */
  readonly added: number;
  readonly totalMs: number;
  /** PUTs that had begun by then; 0 when nothing was to start. */
  readonly putsBegun: number;
}

/** What the page pays while uploads move on. */
export interface EventMeasure {
  /** Mean of one progress event of one file. */
  readonly eventMs: number;
  /** Mean of telling subscribers. Uppy does so within every event. */
  readonly snapshotMs: number;
}

/** A folder that is walked while its first files are sent. */
export interface StreamMeasure extends TaskTimes {
  readonly added: number;
  /** From the drop. */
  readonly firstPutMs: number;
  readonly filesAtFirstPut: number;
  readonly totalMs: number;
}

/** What the driver calls, as `window.intakeBench`. */
export interface IntakeBench {
  readonly uppyVersion: string;
  /** Compiles what runs once, so that it does not count as memory of files. */
  warmUp(uploader: 'bulkhead' | 'uppy'): Promise<void>;
  /** Watches a page that does nothing: what the machine itself adds to every figure. */
  idle(): Promise<TaskTimes>;
  makeFiles(count: number): void;
  addToBulkhead(options: { autoStart: boolean }): Promise<AddMeasure>;
  bulkheadEvents(): Promise<EventMeasure>;
  addToUppy(): Promise<AddMeasure>;
  uppyEvents(): Promise<EventMeasure>;
  /** Call before the drop; resolves when everything dropped was taken in. */
  takeDrop(): Promise<StreamMeasure>;
}

declare global {
  interface Window {
    intakeBench?: IntakeBench;
  }
}
