import type { Sha256 } from './sha256.ts';

/** Bytes of one file, in their order; the worker answers each with one {@link WorkerReply}. */
export interface WorkerRequest {
  readonly id: number;
  /** Which file. */
  readonly job: number;
  /** Transferred, so that there is one copy only. */
  readonly bytes: ArrayBuffer;
  /** Answered with the digest. */
  readonly isLast: boolean;
  /** `bytes` is the whole file: the quickest is `crypto.subtle`. */
  readonly isWhole: boolean;
}

/** No more bytes of this file will come. Not answered. */
export interface WorkerDrop {
  readonly drop: number;
}

export interface WorkerReply {
  /** Of the request; 0 says that the worker runs. */
  readonly id: number;
  /** 64 lower-case hex digits, after the last bytes. */
  readonly digest?: string;
  /** What hashed a slice. */
  readonly engine?: Sha256['engine'];
  /** What went wrong; the file must be begun anew. */
  readonly error?: string;
}
