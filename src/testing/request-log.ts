import type { FaultRoute } from './fault-rules.ts';

/** One request as the server saw it. Plain data. */
export interface RecordedRequest {
  /** Counts from 1, over all routes. */
  readonly n: number;
  readonly route: FaultRoute | 'unknown';
  readonly method: string;
  /** Without the query, which may hold a signature. */
  readonly path: string;
  /** Milliseconds since the server began (or was reset), monotonic. */
  readonly atMs: number;
  /** When the answer was out or the connection gone; null while it is under way. */
  readonly endedAtMs: number | null;
  /** Requests of this route under way when it came, this one included. */
  readonly concurrency: number;
  /** The object's key, for requests to the store. */
  readonly key: string | null;
  /** Names of the files it is about, as far as they are known. */
  readonly filenames: readonly string[];
  /** Length of the body that arrived. */
  readonly receivedBytes: number;
  /** Null when no answer was given. */
  readonly status: number | null;
  /** How long the answer asked to wait. */
  readonly retryAfterMs: number | null;
  /** What was done to it on purpose, in the order it was done. */
  readonly faults: readonly string[];
  /** Some of its headers: those that matter to uploads and streams. */
  readonly headers: Readonly<Record<string, string>>;
}

/** A record that still grows. */
export type OpenRecord = { -readonly [K in keyof RecordedRequest]: RecordedRequest[K] } & {
  faults: string[];
};

const KEPT_HEADERS = [
  'authorization',
  'content-length',
  'content-type',
  'if-none-match',
  'last-event-id',
  'origin',
  'x-amz-checksum-sha256',
];

/** All requests since the last reset, oldest first. */
export class RequestLog {
  readonly #now: () => number;
  readonly #open = new Map<string, number>();
  #startedMs: number;
  #requests: OpenRecord[] = [];

  /** @param now monotonic milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#startedMs = now();
  }

  get requests(): readonly RecordedRequest[] {
    return this.#requests;
  }

  begin(
    request: Pick<RecordedRequest, 'route' | 'method' | 'path' | 'key'>,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): OpenRecord {
    const concurrency = (this.#open.get(request.route) ?? 0) + 1;
    this.#open.set(request.route, concurrency);
    const record: OpenRecord = {
      ...request,
      n: this.#requests.length + 1,
      atMs: this.#now() - this.#startedMs,
      endedAtMs: null,
      concurrency,
      filenames: [],
      receivedBytes: 0,
      status: null,
      retryAfterMs: null,
      faults: [],
      headers: Object.fromEntries(
        KEPT_HEADERS.flatMap((name) => (headers[name] ? [[name, String(headers[name])]] : [])),
      ),
    };
    this.#requests.push(record);
    return record;
  }

  end(record: OpenRecord): void {
    if (record.endedAtMs !== null) return;
    record.endedAtMs = this.#now() - this.#startedMs;
    // One that began before a reset is no longer counted.
    if (this.#requests[record.n - 1] !== record) return;
    this.#open.set(record.route, Math.max(0, (this.#open.get(record.route) ?? 0) - 1));
  }

  reset(): void {
    this.#requests = [];
    this.#open.clear();
    this.#startedMs = this.#now();
  }
}
