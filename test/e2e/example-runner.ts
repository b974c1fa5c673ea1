import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Browser, Page } from 'playwright';
import { inject } from 'vitest';
import { copyEmbedded } from '../../server/test/fixtures/embedded-copies.ts';
import { fastFolder } from '../support/fast-folder.ts';
import { launchBrowser } from './demo-browser.ts';
import { writePhotos } from './demo-photos.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const START_MS = 90_000;
const STOP_MS = 10_000;

export interface ExampleOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** An origin that the page names, and where its requests go instead. */
  readonly redirect?: { readonly from: string; readonly to: string } | undefined;
  /** Whether its server finds an empty database; to make one takes 5 s of a processor. Default false. */
  readonly hasDatabase?: boolean;
}

interface ExampleParts {
  readonly url: string;
  readonly dir: string;
  readonly browser: Browser;
  readonly child: ChildProcess;
  readonly redirect: ExampleOptions['redirect'];
}

/** An example as `npm run example <name>` starts it, on free ports and with data of its own, and a browser. */
export class Example {
  readonly url: string;
  /** Its data; gone with it. */
  readonly dir: string;
  readonly browser: Browser;
  readonly #child: ChildProcess;
  readonly #redirect: ExampleOptions['redirect'];

  private constructor(parts: ExampleParts) {
    this.url = parts.url;
    this.dir = parts.dir;
    this.browser = parts.browser;
    this.#child = parts.child;
    this.#redirect = parts.redirect;
  }

  static async start(name: string, options: ExampleOptions = {}): Promise<Example> {
    const { env = {}, redirect, hasDatabase = false } = options;
    const dir = await mkdtemp(path.join(await fastFolder(), 'bulkhead-example-'));
    if (hasDatabase) {
      await copyEmbedded(inject('templateFolder'), path.join(dir, 'data', 'database'));
    }
    const child = spawn(process.execPath, ['scripts/example.mjs', name], {
      cwd: ROOT,
      env: { ...process.env, PORT: '0', BULKHEAD_DIR: path.join(dir, 'data'), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    try {
      const [url, browser] = await Promise.all([readyUrl(child, name), launchBrowser()]);
      return new Example({ url, dir, browser, child, redirect });
    } catch (error) {
      child.kill('SIGTERM');
      await rm(dir, { recursive: true, force: true });
      throw error;
    }
  }

  /** A page of it, with whatever it complains about. */
  async open(): Promise<{ page: Page; complaints: string[] }> {
    const page = await this.browser.newPage({ viewport: { width: 900, height: 700 } });
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => {
      // A page without a favicon is no complaint of ours.
      if (message.type() !== 'error' || message.location().url.endsWith('/favicon.ico')) return;
      complaints.push(message.text());
    });
    if (this.#redirect) {
      const { from, to } = this.#redirect;
      await page.route(`${from}/**`, (route) =>
        route.continue({ url: route.request().url().replace(from, to) }),
      );
    }
    await page.goto(this.url);
    return { page, complaints };
  }

  /** Five photos on disk. */
  photos(): Promise<string[]> {
    return writePhotos(
      path.join(this.dir, 'photos'),
      [1, 2, 3, 4, 5].map((at) => `photo-${at}.jpg`),
    );
  }

  /** Ends it as Ctrl-C does. @returns its exit code, null when it had to be killed */
  async stop(): Promise<number | null> {
    await this.browser.close();
    if (this.#child.exitCode === null) {
      const exit = once(this.#child, 'exit');
      this.#child.kill('SIGINT');
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS);
      await exit;
      clearTimeout(timer);
    }
    await rm(this.dir, { recursive: true, force: true });
    return this.#child.exitCode;
  }
}

/** What was sent, to be compared with what arrived: sorted contents. */
export async function contentsOf(files: readonly string[]): Promise<string[]> {
  const contents = await Promise.all(files.map((file) => readFile(file, 'base64')));
  return contents.toSorted();
}

function readyUrl(child: ChildProcess, name: string): Promise<string> {
  let output = '';
  child.stderr?.on('data', (chunk) => {
    output += chunk;
  });
  return new Promise((resolve, reject) => {
    if (child.stdout === null) throw new Error('The example has no stdout');
    createInterface({ input: child.stdout }).on('line', (line) => {
      output += `${line}\n`;
      const [, url] = /^Example \S+ ready: (http:\/\/localhost:\d+)/.exec(line) ?? [];
      if (url) resolve(url);
    });
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code}: ${output}`)));
    AbortSignal.timeout(START_MS).addEventListener('abort', () => {
      reject(new Error(`${name} was not ready after ${START_MS} ms: ${output}`));
    });
  });
}
