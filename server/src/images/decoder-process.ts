import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { DecodeRequest, DecoderMessage } from './decoder-messages.ts';
import { ImageError } from './image-error.ts';
import type { RenderedImage, RenderLimits } from './render-image.ts';

export interface DecoderProcessOptions {
  script: URL;
  limits: Partial<RenderLimits>;
  timeoutMs: number;
  maxRssBytes: number;
}

/** One child and the image it works on. */
export interface DecoderProcess {
  readonly pid: number | undefined;
  render(bytes: Uint8Array, signal: AbortSignal): Promise<RenderedImage>;
  /** False once it ended, or holds so much memory that a new one is better. */
  isUsable(): boolean;
  /** Kills it and waits until it is gone. */
  end(): Promise<void>;
}

const WATCH_MS = 100;
/** A child that kept more than this part of its limit after an image is not used again. */
const WORN_SHARE = 0.5;

/** All that native libraries need to be found and to find temporary files. No secret is among them. */
const ENVIRONMENT = ['PATH', 'LD_LIBRARY_PATH', 'TMPDIR', 'TEMP', 'TMP', 'SystemRoot'] as const;

interface Task {
  resolve(image: RenderedImage): void;
  reject(error: unknown): void;
  /** Why the parent killed it, if it did. */
  verdict?: string;
}

export function startDecoderProcess(options: DecoderProcessOptions): DecoderProcess {
  const { script, limits, timeoutMs, maxRssBytes } = options;
  const child = fork(script, [], {
    serialization: 'advanced',
    execArgv: [],
    env: environment(),
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let task: Task | undefined;
  let isWorn = false;
  let isReady = false;
  let failure: Error | undefined;
  const gone = once(child, 'exit').catch(() => {});
  // A server that has nothing to do may end; children do not keep it.
  child.unref();
  child.channel?.unref();

  child.on('message', (message: DecoderMessage) => {
    if (message.rssBytes > maxRssBytes * WORN_SHARE) isWorn = true;
    if (message.type === 'ready') isReady = true;
    else if (message.type === 'memory') checkMemory(message.rssBytes);
    else if (message.type === 'rendered') task?.resolve(message.image);
    else task?.reject(new ImageError(message.code, message.message, { cause: causeOf(message) }));
  });
  child.on('error', (error) => {
    failure = error;
    if (child.pid === undefined) {
      const detail = `The server could not process the image: its decoder cannot be started`;
      task?.reject(new ImageError('processing_failed', detail, { cause: error }));
    }
  });
  child.on('exit', (code, signal) => {
    const how = signal ?? `exit code ${code}`;
    if (!isReady && !task?.verdict) {
      // It never came so far as to look at the image: the installation is broken, or the machine full.
      const detail = `The server could not process the image: its decoder did not start (${how})`;
      task?.reject(new ImageError('processing_failed', detail, { cause: failure }));
      return;
    }
    const detail = task?.verdict ?? `The decoder ended at this image (${how})`;
    task?.reject(new ImageError('decoder_crashed', detail, { cause: failure }));
  });

  function condemn(verdict: string): void {
    if (task) task.verdict ??= verdict;
    child.kill('SIGKILL');
  }

  function checkMemory(rssBytes: number): void {
    if (rssBytes <= maxRssBytes) return;
    condemn(
      `Decoding the image takes more than ${Math.round(maxRssBytes / 1024 ** 2)} MB of memory`,
    );
  }

  return {
    pid: child.pid,
    isUsable: () => !isWorn && !child.killed && isAlive(child) && child.connected,
    async render(bytes, signal) {
      signal.throwIfAborted();
      if (failure && child.pid === undefined) {
        throw new ImageError('processing_failed', 'The decoder cannot be started', {
          cause: failure,
        });
      }
      const answer = new Promise<RenderedImage>((resolve, reject) => {
        task = { resolve, reject };
      });
      const abort = () => {
        task?.reject(signal.reason);
        child.kill('SIGKILL');
      };
      signal.addEventListener('abort', abort);
      const deadline = setTimeout(
        () => condemn(`Decoding the image takes longer than ${timeoutMs / 1000} s`),
        timeoutMs,
      );
      const watch = setInterval(() => void readRss(child).then(checkMemory), WATCH_MS);
      child.channel?.ref();
      try {
        const request: DecodeRequest = { bytes, limits };
        child.send(request, (error) => {
          if (!error) return;
          // It ended before it had the image, which is not to blame.
          const detail =
            'The server could not process the image: its decoder ended before it began';
          task?.reject(new ImageError('processing_failed', detail, { cause: error }));
        });
        return await answer;
      } finally {
        signal.removeEventListener('abort', abort);
        clearTimeout(deadline);
        clearInterval(watch);
        task = undefined;
        if (child.connected) child.channel?.unref();
      }
    },
    async end() {
      if (!isAlive(child) || child.pid === undefined) return;
      child.kill('SIGKILL');
      await gone;
    },
  };
}

function isAlive(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

/** Resident memory where the kernel tells; 0 elsewhere, where the child reports it. */
async function readRss(child: ChildProcess): Promise<number> {
  if (process.platform !== 'linux') return 0;
  // Gone meanwhile: 'exit' says so.
  const status = await readFile(`/proc/${child.pid}/status`, 'latin1').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    ENVIRONMENT.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** What the machine said, where it did: errors keep nothing of their own on the way from a child. */
function causeOf({ errno }: { errno?: string }): Error | undefined {
  return errno === undefined ? undefined : Object.assign(new Error(errno), { code: errno });
}
