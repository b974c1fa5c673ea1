import type { BrowserCommand } from 'vitest/node';

declare module 'vitest/browser' {
  interface BrowserCommands {
    /** Before a test that needs the keyboard: Firefox gives it to the tab in front only. */
    bringToFront(): Promise<void>;
  }
}

/** By Playwright; elsewhere there is one tab. */
export const bringToFront: BrowserCommand<[]> = async (context) => {
  if ('page' in context) await context.page.bringToFront();
};
