export type Engine = 'chromium' | 'firefox' | 'webkit';

/**
 * What the SDK uses of a browser, and which engines have it: the table of docs/browsers.md. Each row is tried in
 * each engine by test/browser/engine-support.test.ts.
 */
export const ENGINE_SUPPORT = {
  'IndexedDB keeps a `File`': { chromium: true, firefox: true, webkit: true },
  'IndexedDB keeps a file handle': { chromium: true, firefox: true, webkit: false },
  'a folder picker that gives handles': { chromium: true, firefox: false, webkit: false },
  'a drop gives handles': { chromium: true, firefox: false, webkit: false },
  'a drop gives folders': { chromium: true, firefox: true, webkit: true },
  'an input takes a folder': { chromium: true, firefox: true, webkit: true },
  'Web Locks': { chromium: true, firefox: true, webkit: true },
  'BroadcastChannel carries a `File`': { chromium: true, firefox: true, webkit: true },
  'module worker': { chromium: true, firefox: true, webkit: true },
  WebAssembly: { chromium: true, firefox: true, webkit: true },
  'SHA-256 of WebCrypto': { chromium: true, firefox: true, webkit: true },
  '`EventSource` and `ReadableStream`': { chromium: true, firefox: true, webkit: true },
  'a request body that is a stream': { chromium: true, firefox: false, webkit: false },
  'OPFS, written by the page': { chromium: true, firefox: true, webkit: true },
  'OPFS, a synchronous handle in a worker': { chromium: true, firefox: true, webkit: false },
} as const satisfies Readonly<Record<string, Readonly<Record<Engine, boolean>>>>;

export type Feature = keyof typeof ENGINE_SUPPORT;

/** The one that this page runs in, by its user agent: all others name WebKit too. */
export function thisEngine(): Engine {
  const { userAgent } = navigator;
  if (userAgent.includes('Firefox/')) return 'firefox';
  return userAgent.includes('Chrome/') ? 'chromium' : 'webkit';
}
