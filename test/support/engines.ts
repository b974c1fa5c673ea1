import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { type BrowserContext, chromium, firefox, type Page } from 'playwright';
import { killBrowser } from '../../bench/load/kill-browser.ts';
import { CHROMIUM_FLAGS, findChromium } from '../../scripts/chromium.mjs';
import { findFirefox } from '../../scripts/firefox.mjs';
import { fastFolder } from './fast-folder.ts';
import { type FolderAnswer, flagsOf, writeFolderAnswer } from './folder-permission.ts';

export type EngineName = 'chromium' | 'firefox';
export const ENGINES: readonly EngineName[] = ['chromium', 'firefox'];

/** A browser with a profile that outlives it: it can be killed, and started again. */
export class Engine {
  readonly #name: EngineName;
  readonly #profile: string;
  #context: Promise<BrowserContext> | undefined;
  #folderAnswer: FolderAnswer | undefined;

  private constructor(name: EngineName, profile: string) {
    this.#name = name;
    this.#profile = profile;
  }

  static async create(name: EngineName): Promise<Engine> {
    return new Engine(name, await mkdtemp(path.join(await fastFolder(), `bulkhead-${name}-`)));
  }

  /** Opens a page, in a new browser process when there is none. */
  async open(url: string): Promise<Page> {
    // Pages that are opened at the same time share one.
    this.#context ??= this.#launch();
    const page = await (await this.#context).newPage();
    await page.goto(url);
    return page;
  }

  /** SIGKILL to the whole browser, from one moment to the next. */
  async kill(): Promise<void> {
    const context = this.#context;
    this.#context = undefined;
    await killBrowser(this.#profile);
    await context?.then((killed) => killed.close()).catch(() => {});
  }

  /** What the person will say of a folder that a page kept, from the next start of Chromium on. */
  async answerForFolder(url: string, folder: string, answer: FolderAnswer): Promise<void> {
    if (this.#context) throw new Error('Chromium reads its settings when it starts: kill it first');
    await writeFolderAnswer(this.#profile, { origin: new URL(url).origin, folder, answer });
    this.#folderAnswer = answer;
  }

  async close(): Promise<void> {
    const context = this.#context;
    this.#context = undefined;
    await context?.then((open) => open.close());
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  #launch(): Promise<BrowserContext> {
    if (this.#name === 'chromium') {
      const executablePath = findChromium();
      return chromium.launchPersistentContext(this.#profile, {
        args: [...CHROMIUM_FLAGS, ...flagsOf(this.#folderAnswer)],
        ...(executablePath ? { executablePath } : {}),
      });
    }
    const executablePath = findFirefox();
    return firefox.launchPersistentContext(this.#profile, {
      channel: 'moz-firefox',
      ...(executablePath ? { executablePath } : {}),
    });
  }
}

/** Drops files and folders on a Chromium page as the file manager does: the page gets handles to them. */
export async function dropPaths(page: Page, paths: readonly string[]): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: [...paths], dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
    await session.send('Input.dispatchDragEvent', { type, x: 100, y: 100, data });
  }
  await session.detach();
}
