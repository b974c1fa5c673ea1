import type { ServerResponse } from 'node:http';
import type { AssetChange, ProcessingEvent } from '../protocol/index.ts';
import type { ResolvedBehaviour } from './fault-options.ts';

/** Changes of so long are sent together. */
const COALESCE_MS = 10;
/** Below the 30 s after which common proxies close a silent connection. An event, so that pages see it. */
const HEARTBEAT_MS = 15_000;
/** How long a stream that reverses waits for a newer event before it sends the one it holds. */
const HOLD_MS = 150;

interface Stream {
  readonly response: ServerResponse;
  /** The event that goes after the next one, in the modes that have such. */
  held: string | null;
  holding: NodeJS.Timeout | undefined;
}

export interface EventHubParts {
  readonly mode: () => ResolvedBehaviour['events'];
  readonly retryMs: number;
  readonly changesSince: (version: number) => AssetChange[];
  /** The counts of now, as an event. */
  readonly progress: () => ProcessingEvent;
}

/** Open event streams, and what is sent to them. */
export class EventHub {
  readonly #parts: EventHubParts;
  readonly #streams = new Set<Stream>();
  readonly #heartbeat: NodeJS.Timeout;
  #pending: AssetChange[] = [];
  #coalescing: NodeJS.Timeout | undefined;

  constructor(parts: EventHubParts) {
    this.#parts = parts;
    this.#heartbeat = setInterval(() => {
      for (const { response } of this.#streams) response.write('event: heartbeat\ndata:\n\n');
    }, HEARTBEAT_MS);
    this.#heartbeat.unref();
  }

  get size(): number {
    return this.#streams.size;
  }

  /** Joins a stream whose headers are out: every change after `lastEventId`, then the counts. */
  join(response: ServerResponse, lastEventId: number | undefined): void {
    const stream: Stream = { response, held: null, holding: undefined };
    this.#streams.add(stream);
    response.on('close', () => {
      clearTimeout(stream.holding);
      this.#streams.delete(stream);
    });
    response.write(`retry: ${this.#parts.retryMs}\n\n`);
    if (this.#parts.mode() === 'muted') return;
    const missed = lastEventId === undefined ? [] : this.#parts.changesSince(lastEventId);
    if (missed.length > 0) response.write(changesEvent(missed));
    response.write(dataOf(this.#parts.progress()));
  }

  changed(change: AssetChange): void {
    this.#pending.push(change);
    this.#coalescing ??= setTimeout(() => this.#flush(), COALESCE_MS);
  }

  /** Ends every stream; browsers open them again. */
  drop(): void {
    for (const { response } of this.#streams) response.destroy();
  }

  /** Ends every stream and forgets what was to be sent. */
  clear(): void {
    this.#pending = [];
    clearTimeout(this.#coalescing);
    this.#coalescing = undefined;
    this.drop();
  }

  close(): void {
    this.clear();
    clearInterval(this.#heartbeat);
  }

  #flush(): void {
    this.#coalescing = undefined;
    const changes = this.#pending;
    this.#pending = [];
    const mode = this.#parts.mode();
    if (mode === 'muted') return;
    for (const stream of this.#streams) {
      if (mode === 'normal') stream.response.write(changesEvent(changes));
      else for (const change of changes) this.#disturb(stream, changesEvent([change]), mode);
      stream.response.write(dataOf(this.#parts.progress()));
    }
  }

  #disturb(stream: Stream, event: string, mode: 'reversed' | 'repeated'): void {
    const { held, response } = stream;
    clearTimeout(stream.holding);
    stream.holding = undefined;
    if (mode === 'repeated') {
      response.write(event);
      if (held !== null) response.write(held);
      stream.held = event;
      return;
    }
    if (held !== null) {
      response.write(event);
      response.write(held);
      stream.held = null;
      return;
    }
    stream.held = event;
    stream.holding = setTimeout(() => {
      response.write(event);
      stream.held = null;
    }, HOLD_MS);
  }
}

function changesEvent(changes: readonly AssetChange[]): string {
  const newest = Math.max(...changes.map(({ version }) => version));
  return `id: ${newest}\n${dataOf({ type: 'assets', changes: [...changes] })}`;
}

/** JSON has no raw line break: one data line is enough. */
function dataOf(event: ProcessingEvent): string {
  return `data: ${JSON.stringify(event)}\n\n`;
}
