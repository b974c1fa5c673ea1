import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseRetryAfterMs } from '../protocol/retry-after.ts';
import type { PlannedFault } from './fault-plan.ts';
import type { FaultAction, FaultPoint } from './fault-rules.ts';
import { type Answer, CAPTIVE_PORTAL, problemAnswer } from './problem-answer.ts';
import type { OpenRecord } from './request-log.ts';

/** The request was answered, cut or given up on purpose: whoever handles it has nothing left to do. */
export class ExchangeEnded extends Error {
  override readonly name = 'ExchangeEnded';
}

export interface ExchangeParts {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly record: OpenRecord;
  /** What every answer carries, CORS apart. */
  readonly headers: () => Readonly<Record<string, string>>;
  readonly corsHeaders: () => Readonly<Record<string, string>>;
}

/** One request and its answer, with the faults that a plan has for them. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly record: OpenRecord;
  readonly #parts: ExchangeParts;
  readonly #gone = new AbortController();
  #faults: readonly PlannedFault[] = [];
  #hasCors = true;
  #bytesPerSecond: number | undefined;

  constructor(parts: ExchangeParts) {
    this.#parts = parts;
    this.request = parts.request;
    this.response = parts.response;
    this.record = parts.record;
    this.response.on('close', () => this.#gone.abort());
    // A connection that is cut, by either side, is what this server is for.
    this.request.on('error', () => {});
    this.response.on('error', () => {});
  }

  expect(faults: readonly PlannedFault[]): void {
    this.#faults = faults;
  }

  /** Does what is planned for this point; throws `ExchangeEnded` where that is the end. */
  async reach(point: Exclude<FaultPoint, `body:${number}`>): Promise<void> {
    for (const fault of this.#faults) {
      if (fault.at === point && fault.take()) await this.act(fault.action, point);
    }
  }

  /** The body as it comes, its length counted, with what is planned for its course. */
  async *chunks(): AsyncGenerator<Uint8Array, void> {
    const reached = this.#inBody();
    let received = 0;
    let paceMs = performance.now();
    // Left open when abandoned: who hangs keeps its connection.
    for await (const chunk of this.request.iterator({ destroyOnReturn: false })) {
      const bytes = chunk as Uint8Array;
      received += bytes.byteLength;
      this.record.receivedBytes = received;
      await reached(received);
      yield bytes;
      const rate = this.#bytesPerSecond;
      if (rate === undefined) continue;
      // By a schedule, because timers oversleep: what one chunk took too long the next makes up.
      paceMs = Math.max(paceMs, performance.now() - 100) + (bytes.byteLength / rate) * 1_000;
      await this.pause(Math.max(0, paceMs - performance.now()));
    }
  }

  /** For bodies that had to be read before the plan could be asked. */
  async reachBody(): Promise<void> {
    await this.#inBody()(this.record.receivedBytes);
  }

  #inBody(): (receivedBytes: number) => Promise<void> {
    const waiting = this.#faults
      .filter(({ at }) => at.startsWith('body:'))
      .map((fault) => ({ fault, bytes: Number(fault.at.slice('body:'.length)) }))
      .sort((a, b) => a.bytes - b.bytes);
    return async (receivedBytes) => {
      while (waiting[0] && receivedBytes >= waiting[0].bytes) {
        const { fault } = waiting[0];
        waiting.shift();
        if (fault.take()) await this.act(fault.action, fault.at);
      }
    };
  }

  async act(action: FaultAction, where: string): Promise<void> {
    const name = typeof action === 'string' ? action : Object.keys(action)[0];
    this.record.faults.push(`${name} at ${where}`);
    if (action === 'no-cors') {
      this.#hasCors = false;
      return;
    }
    if (action === 'captive-portal') return this.refuse(CAPTIVE_PORTAL);
    if (action === 'reset') {
      this.request.socket.resetAndDestroy();
      throw new ExchangeEnded();
    }
    if (action === 'close') {
      this.request.socket.destroy();
      throw new ExchangeEnded();
    }
    if (action === 'hang') {
      if (!this.#gone.signal.aborted) await once(this.#gone.signal, 'abort');
      throw new ExchangeEnded();
    }
    if ('status' in action) {
      const { status, headers = {}, body, code } = action;
      if (code === undefined) return this.refuse({ status, headers, body: body ?? '' });
      return this.refuse(problemAnswer(code, body, { status, headers: lowerCased(headers) }));
    }
    if ('delayMs' in action) return this.pause(action.delayMs);
    if ('trickleBytesPerSecond' in action) this.#bytesPerSecond = action.trickleBytesPerSecond;
  }

  /** Answers now, and throws: nothing else is to be done for this request. */
  async refuse(answer: Answer): Promise<never> {
    await this.answer(answer);
    throw new ExchangeEnded();
  }

  async answer({ status, headers = {}, body = '' }: Answer): Promise<void> {
    const { response, record } = this;
    if (response.headersSent || this.#gone.signal.aborted) return;
    const all = this.#answerHeaders(headers);
    record.status = status;
    record.retryAfterMs = parseRetryAfterMs(all['retry-after'], all.date, Date.now()) ?? null;
    // A server that closes with unread data resets: the browser would lose this very answer.
    // Once more when a reader of the body has let go of it.
    this.request.resume();
    setImmediate(() => this.request.resume());
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    const rate = this.#bytesPerSecond;
    response.writeHead(status, { ...all, 'content-length': String(bytes.byteLength) });
    if (this.request.method === 'HEAD' || rate === undefined) {
      response.end(this.request.method === 'HEAD' ? undefined : bytes);
      return;
    }
    const step = Math.max(1, Math.ceil(rate / 10));
    for (let at = 0; at < bytes.byteLength; at += step) {
      response.write(bytes.subarray(at, at + step));
      await this.pause(100);
    }
    response.end();
  }

  /** For answers that go on: an event stream. */
  beginStream(headers: Readonly<Record<string, string>>): void {
    this.record.status = 200;
    this.response.writeHead(200, this.#answerHeaders(headers));
  }

  async pause(delayMs: number): Promise<void> {
    try {
      await sleep(delayMs, undefined, { signal: this.#gone.signal });
    } catch {
      throw new ExchangeEnded();
    }
  }

  /** Cuts what is still open. */
  destroy(): void {
    this.request.socket.destroy();
  }

  #answerHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
    return {
      ...this.#parts.headers(),
      ...(this.#hasCors ? this.#parts.corsHeaders() : {}),
      ...lowerCased(headers),
    };
  }
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
}
