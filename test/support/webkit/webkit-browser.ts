import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { freePort } from '../../../scripts/services.mjs';
import { findWebKit } from '../../../scripts/webkit.mjs';
import { isReady, WebDriverSession } from './web-driver.ts';

const HOST = path.join(import.meta.dirname, 'host.py');
export const WINDOW_PX = { width: 1280, height: 900 };
/** Generous: for a machine that is busy with other browsers. */
const START_MS = 30_000;
const STOP_MS = 5_000;

/**
 * A WebKitGTK with a screen, a driver and a folder of its own, on a display and a port that were free: several
 * run side by side. All processes end with this one, however that ends; the folder stays when a signal ended it.
 */
export class WebKitBrowser {
  readonly #folder: string;
  readonly #processes: ChildProcess[] = [];
  #session: WebDriverSession | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws Error that names the part that is missing or did not start; what had started is ended. */
  static async start(): Promise<WebKitBrowser> {
    const browser = new WebKitBrowser(await mkdtemp(path.join(tmpdir(), 'bulkhead-webkit-')));
    try {
      await browser.#start();
      return browser;
    } catch (error) {
      await browser.close();
      throw error;
    }
  }

  get version(): string {
    return this.#theSession.version;
  }

  async goTo(url: string): Promise<void> {
    await this.#theSession.goTo(url);
  }

  async press(keys: readonly string[]): Promise<void> {
    await this.#theSession.press(keys);
  }

  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    // A browser that hangs does not answer; its driver's end is its own.
    await Promise.race([session?.delete().catch(() => {}), after(STOP_MS)]);
    // The screen last: without it the browser complains.
    for (const child of this.#processes.splice(0).reverse()) await end(child);
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  get #theSession(): WebDriverSession {
    if (!this.#session) throw new Error('This WebKitGTK is closed');
    return this.#session;
  }

  async #start(): Promise<void> {
    const found = findWebKit();
    if (!found) throw new Error('There is no WebKitGTK: CONTRIBUTING.md says what it takes');
    const screen = this.#spawn(found.xvfb, [
      ...[
        '-displayfd',
        '3',
        '-screen',
        '0',
        `${WINDOW_PX.width}x${WINDOW_PX.height}x24`,
        '-nolisten',
        'tcp',
        '-noreset',
      ],
    ]);
    const display = await firstLine(screen, screen.stdio[3] as Readable, 'Xvfb');

    const port = await freePort();
    const driver = this.#spawn(found.driver, ['--host=127.0.0.1', `--port=${port}`], {
      DISPLAY: `:${display}`,
      HOME: this.#folder,
      XDG_RUNTIME_DIR: this.#folder,
      // There is no desktop around it.
      GDK_BACKEND: 'x11',
      GSETTINGS_BACKEND: 'memory',
      NO_AT_BRIDGE: '1',
      // Containers rarely permit it, and every page it opens is ours.
      WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1',
    });
    const url = `http://127.0.0.1:${port}`;
    const deadlineMs = Date.now() + START_MS;
    while (!(await isReady(url))) {
      if (hasEnded(driver)) throw new Error(`WebKitWebDriver ended with ${driver.exitCode}`);
      if (Date.now() > deadlineMs) throw new Error(`WebKitWebDriver did not start on port ${port}`);
      await after(50);
    }
    this.#session = await WebDriverSession.create(url, found.python, [
      HOST,
      this.#folder,
      String(WINDOW_PX.width),
      String(WINDOW_PX.height),
    ]);
  }

  /** Of util-linux, as on every Linux: tells the kernel to end it with its parent. */
  #spawn(program: string, args: readonly string[], env: Record<string, string> = {}): ChildProcess {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    });
    this.#processes.push(child);
    return child;
  }
}

async function firstLine(child: ChildProcess, stream: Readable, name: string): Promise<string> {
  const ended = Promise.race([once(child, 'exit'), after(START_MS)]).then(() => {
    throw new Error(`${name} did not start (exit code ${child.exitCode})`);
  });
  const [line] = (await Promise.race([once(createInterface(stream), 'line'), ended])) as [string];
  return line;
}

async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await Promise.race([ended, after(STOP_MS)]);
  if (hasEnded(child)) return;
  child.kill('SIGKILL');
  await ended;
}

/** Or never began. */
const hasEnded = (child: ChildProcess): boolean =>
  child.pid === undefined || child.exitCode !== null || child.signalCode !== null;

const after = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
