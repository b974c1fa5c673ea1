import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { WriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const root = path.resolve(import.meta.dirname, '../../..');
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;

export interface InstanceOptions {
  /** As in the log: `api-1`. */
  readonly name: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Of the process's health check; a worker has one too. */
  readonly healthUrl: string;
  readonly log: WriteStream;
  readonly onUnexpectedExit: (error: Error) => void;
}

/** One process of `bulkhead-server`, which can be killed and started again where it was. */
export class Instance {
  readonly name: string;
  readonly #options: InstanceOptions;
  #child: ChildProcess | undefined;
  #isExitExpected = false;
  #peakMemoryBytes = 0;

  constructor(options: InstanceOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Resolves when it says that it is ready. */
  async start(): Promise<void> {
    const { args, env, log, name, onUnexpectedExit } = this.#options;
    const child = spawn(
      process.execPath,
      ['--conditions=bulkhead-source', 'server/src/cli/bulkhead-server.ts', ...args],
      { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.#child = child;
    this.#isExitExpected = false;
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    const exited = new Promise<never>((_, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        const error = new Error(`${name} ended by itself (${signal ?? `code ${code}`})`);
        if (!this.#isExitExpected) onUnexpectedExit(error);
        reject(error);
      });
    });
    exited.catch(() => {});
    await Promise.race([exited, this.#untilReady()]);
  }

  /** SIGKILL: no time to finish anything. Resolves once the process is gone. */
  async kill(): Promise<void> {
    await this.noteMemory();
    await this.#end('SIGKILL');
  }

  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  /** The most it ever had, in bytes; Linux only. */
  async noteMemory(): Promise<number> {
    const status = await readFile(`/proc/${this.#child?.pid}/status`, 'utf8').catch(() => '');
    const kilobytes = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
    this.#peakMemoryBytes = Math.max(this.#peakMemoryBytes, kilobytes * 1024);
    return this.#peakMemoryBytes;
  }

  async #untilReady(): Promise<void> {
    const deadlineMs = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      const response = await fetch(this.#options.healthUrl).catch(() => undefined);
      await response?.body?.cancel();
      if (response?.ok) return;
      if (performance.now() > deadlineMs) {
        throw new Error(`${this.name} was not ready within ${START_TIMEOUT_MS / 1000} s`);
      }
      await sleep(100);
    }
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#isExitExpected = true;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exit;
    clearTimeout(timer);
  }
}
