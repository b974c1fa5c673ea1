import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { copyEmbedded } from '../../server/test/fixtures/embedded-copies.ts';
import { fastFolder } from '../support/fast-folder.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const READY =
  /^Bulkhead demo ready: (http:\/\/localhost:\d+) \(object store on (http:\/\/\S+), data in .+\)$/;
const START_MS = 60_000;

/** Builds what is stale: the demo runs what was built, as a newcomer's does. */
export async function buildDemo(): Promise<void> {
  await promisify(execFile)(process.execPath, ['scripts/build.mjs'], { cwd: ROOT });
}

/** The demo server as a process of its own, on free ports. */
export class DemoServer {
  readonly pageUrl: string;
  readonly storeUrl: string;
  readonly dir: string;
  /** Lines on stdout so far. */
  readonly printed: readonly string[];
  readonly #child: ChildProcess;

  private constructor(
    child: ChildProcess,
    dir: string,
    printed: readonly string[],
    urls: { page: string; store: string },
  ) {
    this.#child = child;
    this.dir = dir;
    this.printed = printed;
    this.pageUrl = urls.page;
    this.storeUrl = urls.store;
  }

  /** Starts on `dir`, or on a new directory; with `templateFolder` there is an empty database in it already. */
  static async start(
    options: { dir?: string; env?: Record<string, string>; templateFolder?: string } = {},
  ): Promise<DemoServer> {
    const dir = options.dir ?? (await mkdtemp(path.join(await fastFolder(), 'bulkhead-demo-')));
    const { templateFolder } = options;
    if (templateFolder) await copyEmbedded(templateFolder, path.join(dir, 'database'));
    const child = spawn(process.execPath, ['examples/demo/server.ts'], {
      cwd: ROOT,
      env: { ...process.env, PORT: '0', STORE_PORT: '0', BULKHEAD_DIR: dir, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const printed: string[] = [];
    let complaint = '';
    child.stderr?.on('data', (chunk) => {
      complaint += String(chunk);
    });
    const ready = new Promise<{ page: string; store: string }>((resolve, reject) => {
      if (child.stdout === null) throw new Error('The demo server has no stdout');
      createInterface({ input: child.stdout }).on('line', (line) => {
        printed.push(line);
        const [, page, store] = READY.exec(line) ?? [];
        if (page !== undefined && store !== undefined) resolve({ page, store });
      });
      child.once('exit', (code) => {
        reject(new Error(`The demo server ended with ${code}: ${complaint}${printed.join('\n')}`));
      });
      AbortSignal.timeout(START_MS).addEventListener('abort', () => {
        reject(new Error(`The demo server was not ready after ${START_MS} ms: ${complaint}`));
      });
    });
    try {
      return new DemoServer(child, dir, printed, await ready);
    } catch (error) {
      child.kill('SIGKILL');
      if (options.dir === undefined) await rm(dir, { recursive: true, force: true });
      throw error;
    }
  }

  /** Ends it in order. @returns its exit code, null when it had to be killed */
  async stop(): Promise<number | null> {
    if (this.#child.exitCode === null) {
      const exit = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
      await exit;
      clearTimeout(timer);
    }
    return this.#child.exitCode;
  }

  async remove(): Promise<void> {
    await this.stop();
    await rm(this.dir, { recursive: true, force: true });
  }
}
