import { defineBrowserProvider, parseKeyDef } from '@vitest/browser';
import type { BrowserProvider, BrowserProviderOption, TestProject } from 'vitest/node';
import { WebKitBrowser, WINDOW_PX } from './webkit-browser.ts';

interface Viewport {
  readonly width: number;
  readonly height: number;
}

declare module 'vitest/browser' {
  interface BrowserCommands {
    __vitest_viewport(viewport: Viewport): void;
    __vitest_keyboard(text: string): { unreleased: string[] };
    __vitest_cleanup(): void;
  }
}

declare module 'vitest/node' {
  interface _BrowserNames {
    webkitgtk: 'webkitgtk';
  }
}

/**
 * Lets Vitest's browser mode run in WebKitGTK: opens the page that runs the tests, and presses keys. Else tests there
 * act on their own document; what `vitest/browser` does from outside (clicks, screenshots, CDP) is refused by
 * name.
 */
export function webkitGtk(): BrowserProviderOption {
  return defineBrowserProvider({
    name: 'webkitgtk',
    supportedBrowser: ['webkitgtk'],
    providerFactory: (project) => new WebKitProvider(project),
  });
}

class WebKitProvider implements BrowserProvider {
  readonly name = 'webkitgtk';
  readonly supportsParallelism = true;
  /**
   * One for each page, by Vitest's session: one of WebKitWebDriver has one page in front, and timers of others
   * in it sleep.
   */
  readonly #browsers = new Map<string, Promise<WebKitBrowser>>();

  constructor(project: TestProject) {
    project.browser?.registerCommand('__vitest_viewport', (_context, viewport) =>
      assertFits(viewport),
    );
    project.browser?.registerCommand('__vitest_keyboard', ({ sessionId }, text) =>
      this.#press(sessionId, text),
    );
    // No key is left down.
    project.browser?.registerCommand('__vitest_cleanup', () => {});
  }

  getCommandsContext(): Record<string, unknown> {
    return {};
  }

  async openPage(sessionId: string, url: string): Promise<void> {
    const browser = this.#browsers.get(sessionId) ?? WebKitBrowser.start();
    this.#browsers.set(sessionId, browser);
    await (await browser).goTo(url);
  }

  async #press(sessionId: string, text: string): Promise<{ unreleased: string[] }> {
    const keys = parseKeyDef(text).map(({ keyDef, releasePrevious, releaseSelf, repeat }) => {
      const isPress = !releasePrevious && releaseSelf && repeat === 1;
      if (isPress && keyDef.key) return keyDef.key;
      throw new Error(`Keys are pressed and released here, not held: ${text}`);
    });
    await (await this.#browsers.get(sessionId))?.press(keys);
    return { unreleased: [] };
  }

  async close(): Promise<void> {
    const browsers = [...this.#browsers.values()];
    this.#browsers.clear();
    await Promise.all(
      browsers.map(async (browser) => {
        // That it did not start was told to whom wanted a page.
        await (await browser.catch(() => undefined))?.close();
      }),
    );
  }
}

/** Vitest's page gives the frame of a test this size by itself; the window stays as it is. */
function assertFits({ width, height }: Viewport): void {
  if (width <= WINDOW_PX.width && height <= WINDOW_PX.height) return;
  const largest = `${WINDOW_PX.width}×${WINDOW_PX.height}`;
  throw new Error(`A viewport of ${width}×${height} does not fit into the window of ${largest}`);
}
