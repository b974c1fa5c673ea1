import type { Incident } from './disturbances.ts';

/** What the page of a load run talks to. */
export interface Backend {
  /** Of the page, and of the API behind it. */
  readonly baseUrl: string;
  /** Most resident memory, in bytes; 0 where the system does not tell. */
  peakMemoryBytes(): Promise<number>;
  /** What it did to itself while the run lasted. */
  readonly incidents?: readonly Incident[];
  stop(): Promise<void>;
}
