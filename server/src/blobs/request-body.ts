import type { Readable } from 'node:stream';

/** A client that was refused may go on sending so long, or so much, before the line is cut. */
const DRAIN_MS = 30_000;
const DRAIN_BYTES = 128 * 1024 * 1024;

/** The client went away in the middle of its body. */
export class BodyAbortedError extends Error {
  override readonly name = 'BodyAbortedError';
}

/** A body that is being received, from a web request or from node's own stream. */
export interface RequestBody {
  /**
   * May be left before its end: the rest then stays unread, and the connection open.
   * @throws {BodyAbortedError}
   */
  chunks(): AsyncGenerator<Uint8Array, void>;
  /**
   * Reads what is left and throws it away, in the background. A server that closes a connection
   * with unread data resets it, and the browser then loses the answer that was on its way: it would
   * report a network error instead of the refusal.
   */
  drain(): void;
}

/** What is in memory already. */
export function bytesBody(bytes: Uint8Array): RequestBody {
  return {
    async *chunks() {
      yield bytes;
    },
    drain() {},
  };
}

export function webBody(request: Request): RequestBody {
  return {
    async *chunks() {
      const reader = request.body?.getReader();
      if (!reader) return;
      try {
        for (;;) {
          const { done, value } = await reader.read().catch(throwAborted);
          if (done) return;
          yield value;
        }
      } finally {
        // Released, not cancelled: cancelling would cut the connection before the answer is out.
        reader.releaseLock();
      }
    },
    drain() {
      const { body } = request;
      if (!body || body.locked) return;
      const reader = body.getReader();
      const cut = () => void reader.cancel().catch(() => {});
      const limit = createDrainLimit(cut);
      void (async () => {
        try {
          for (;;) {
            const { done, value } = await reader.read();
            if (done) return;
            limit.count(value.byteLength);
          }
        } catch {
          // The client went away first: nothing is left to read.
        } finally {
          limit.end();
        }
      })();
    },
  };
}

/**
 * Node's stream as it is. Turning it into a web stream costs 0.7 ms of processor time per 256 KB
 * (measured: 1.2 ms instead of 0.5 ms a PUT), more than hashing the bytes.
 */
export function nodeBody(incoming: Readable): RequestBody {
  return {
    async *chunks() {
      const iterator = incoming.iterator({ destroyOnReturn: false });
      try {
        for await (const chunk of iterator) yield chunk as Uint8Array;
      } catch (cause) {
        throwAborted(cause);
      }
    },
    drain() {
      if (incoming.readableEnded || incoming.destroyed) return;
      const limit = createDrainLimit(() => incoming.destroy());
      incoming.on('data', (chunk: Uint8Array) => limit.count(chunk.byteLength));
      incoming.on('error', () => {});
      incoming.once('close', () => limit.end());
      incoming.once('end', () => limit.end());
      incoming.resume();
    },
  };
}

function createDrainLimit(cut: () => void) {
  let drained = 0;
  const deadline = setTimeout(cut, DRAIN_MS).unref();
  return {
    count(bytes: number) {
      drained += bytes;
      if (drained > DRAIN_BYTES) cut();
    },
    end() {
      clearTimeout(deadline);
    },
  };
}

function throwAborted(cause: unknown): never {
  throw new BodyAbortedError('The connection closed before the body was complete', { cause });
}
