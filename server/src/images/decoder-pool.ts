import { createLimit } from '../concurrency.ts';
import { type DecoderProcess, startDecoderProcess } from './decoder-process.ts';
import type { ImageDecoder } from './image-decoder.ts';
import type { RenderLimits } from './render-image.ts';

/** Of the children that decode images. */
export interface DecoderPoolOptions {
  /** Children at most, each with one image at a time. */
  size: number;
  limits?: Partial<RenderLimits>;
  /** Hard: the child is killed after it. Default 60 s; the slowest honest image takes about 5 s. */
  timeoutMs?: number;
  /**
   * Resident memory at which a child is killed, looked at ten times a second. Default 1 GiB: what the
   * largest image within the pixel limits takes, and half as much again.
   */
  maxRssBytes?: number;
  /** A child with nothing to do ends after this. Default 30 s: starting one takes 0.2 s. */
  idleMs?: number;
  /** What the children run. Default: the decoder of this package. */
  script?: URL;
}

const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_MAX_RSS_BYTES = 1024 ** 3;
const DEFAULT_IDLE_MS = 30_000;

/** Beside this file, from the sources as well as built. */
const SCRIPT = new URL(
  import.meta.url.endsWith('.ts') ? './decoder-child.ts' : './decoder-child.js',
  import.meta.url,
);

/** The decoder is closed: the worker stops. */
export class DecoderClosedError extends Error {
  override readonly name = 'DecoderClosedError';
}

/**
 * Decodes in child processes: an image that crashes its decoder, hangs it or fills the memory takes one
 * child down, and it is known which image that was. Children start when they are needed, end when they
 * are not, and never outlive this process.
 */
export function createDecoderPool(options: DecoderPoolOptions): ImageDecoder {
  const { size, idleMs = DEFAULT_IDLE_MS } = options;
  const settings = {
    script: options.script ?? SCRIPT,
    limits: options.limits ?? {},
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    maxRssBytes: options.maxRssBytes ?? DEFAULT_MAX_RSS_BYTES,
  };
  const all = new Set<DecoderProcess>();
  const idle: { child: DecoderProcess; timer: NodeJS.Timeout }[] = [];
  const inTurn = createLimit(size);
  let isClosed = false;

  function take(): DecoderProcess {
    for (let rested = idle.pop(); rested; rested = idle.pop()) {
      clearTimeout(rested.timer);
      if (rested.child.isUsable()) return rested.child;
      retire(rested.child);
    }
    const child = startDecoderProcess(settings);
    all.add(child);
    return child;
  }

  function giveBack(child: DecoderProcess): void {
    if (isClosed || !child.isUsable()) {
      retire(child);
      return;
    }
    const timer = setTimeout(() => {
      const at = idle.findIndex((entry) => entry.child === child);
      if (at >= 0) idle.splice(at, 1);
      retire(child);
    }, idleMs).unref();
    idle.push({ child, timer });
  }

  function retire(child: DecoderProcess): void {
    void child.end().then(() => all.delete(child));
  }

  return {
    async render(bytes, signal) {
      return inTurn(async () => {
        signal.throwIfAborted();
        if (isClosed) throw new DecoderClosedError('The decoder is closed');
        const child = take();
        try {
          return await child.render(bytes, signal);
        } finally {
          giveBack(child);
        }
      });
    },
    async close() {
      isClosed = true;
      for (const { timer } of idle.splice(0)) clearTimeout(timer);
      await Promise.all([...all].map((child) => child.end()));
    },
  };
}
