import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import type { Backend } from './backend.ts';

const root = path.resolve(import.meta.dirname, '../..');

/** An embedded database is made anew in 3 s; a loaded machine may take several times as long. */
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;

export interface DemoOptions {
  readonly dataDir: string;
  /** Everything the server prints, over all its lives. */
  readonly logFile: string;
  /** Variables of the environment, beside those that say where it is. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The server did not start, or ended by itself. */
export class DemoProcessError extends Error {
  override readonly name = 'DemoProcessError';
}

/** The demo server as a process of its own: it can be killed and started again where it was. */
export class DemoProcess implements Backend {
  readonly baseUrl: string;
  readonly #options: DemoOptions;
  readonly #ports: { readonly page: number; readonly store: number };
  readonly #log: WriteStream;
  readonly #onUnexpectedExit: (error: DemoProcessError) => void;
  #child: ChildProcess | undefined;
  #isExitExpected = false;
  #peakMemoryBytes = 0;

  private constructor(
    options: DemoOptions,
    ports: { page: number; store: number },
    onUnexpectedExit: (error: DemoProcessError) => void,
  ) {
    this.#options = options;
    this.#ports = ports;
    this.#onUnexpectedExit = onUnexpectedExit;
    this.baseUrl = `http://localhost:${ports.page}`;
    this.#log = createWriteStream(options.logFile, { flags: 'a' });
  }

  /** Starts a server on free ports. `onUnexpectedExit` hears of an end that nobody asked for. */
  static async start(
    options: DemoOptions,
    onUnexpectedExit: (error: DemoProcessError) => void,
  ): Promise<DemoProcess> {
    const [page, store] = await freePorts();
    const demo = new DemoProcess(options, { page, store }, onUnexpectedExit);
    try {
      await demo.#spawn();
    } catch (error) {
      await demo.stop();
      throw error;
    }
    return demo;
  }

  /** Most resident memory of any of its lives, in bytes; 0 where the system does not tell. */
  async peakMemoryBytes(): Promise<number> {
    await this.#noteMemory();
    return this.#peakMemoryBytes;
  }

  /** SIGKILL: no time to finish anything. Resolves once the process is gone. */
  async kill(): Promise<void> {
    await this.#noteMemory();
    await this.#end('SIGKILL');
  }

  /** Starts again on the same ports and data. */
  async restart(): Promise<void> {
    await this.#spawn();
  }

  /** Ends it in order; by force when it does not end. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
    this.#log.end();
  }

  async #spawn(): Promise<void> {
    const child = spawn(process.execPath, ['examples/demo/server.ts'], {
      cwd: root,
      env: {
        ...process.env,
        ...this.#options.env,
        PORT: String(this.#ports.page),
        STORE_PORT: String(this.#ports.store),
        BULKHEAD_DIR: this.#options.dataDir,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#isExitExpected = false;
    child.stdout?.pipe(this.#log, { end: false });
    child.stderr?.pipe(this.#log, { end: false });

    let isReady = false;
    const exited = new Promise<never>((_, reject) => {
      child.once('error', (error) => reject(new DemoProcessError(error.message)));
      child.once('exit', (code, signal) => {
        const error = new DemoProcessError(
          `The demo server ended by itself (${signal ?? `code ${code}`}). Its log: ${this.#options.logFile}`,
        );
        if (isReady && !this.#isExitExpected) this.#onUnexpectedExit(error);
        reject(error);
      });
    });
    exited.catch(() => {});
    await Promise.race([exited, this.#answers()]);
    isReady = true;
  }

  /** Resolves when both origins answer. */
  async #answers(): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    const origins = [this.baseUrl, `http://localhost:${this.#ports.store}`];
    for (const origin of origins) {
      for (;;) {
        const response = await fetch(origin, { method: 'HEAD' }).catch(() => undefined);
        if (response) break;
        if (performance.now() > deadline) {
          throw new DemoProcessError(
            `${origin} did not answer within ${START_TIMEOUT_MS / 1000} s. Its log: ${this.#options.logFile}`,
          );
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    this.#isExitExpected = true;
    const exit = once(child, 'exit');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exit;
    clearTimeout(timer);
  }

  /** Linux only: the kernel keeps the high-water mark of a process that still lives. */
  async #noteMemory(): Promise<void> {
    const status = await readFile(`/proc/${this.#child?.pid}/status`, 'utf8').catch(() => '');
    const kilobytes = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
    this.#peakMemoryBytes = Math.max(this.#peakMemoryBytes, kilobytes * 1024);
  }
}

/** Two ports that are free now. Fixed ones, because a restart must answer at the same place. */
async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()];
  const ports: number[] = [];
  for (const server of servers) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address && typeof address === 'object') ports.push(address.port);
  }
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  const [page, store] = ports;
  if (page === undefined || store === undefined) throw new DemoProcessError('No port is free');
  return [page, store];
}
