import axe from 'axe-core';
import { expect, inject } from 'vitest';
import type { Uploader } from '../../src/core/uploader.ts';
import { createUploader, type UploaderOptions } from '../../src/create-uploader.ts';
import type { BulkheadUploader } from '../../src/element/bulkhead-uploader.ts';
import '../../src/element/index.ts';
import {
  connectFaultServer,
  type FaultServerClient,
  type FaultServerPlainOptions,
} from '../../src/testing/client.ts';
import { bulkheadAdapter } from '../../src/transports/bulkhead-adapter.ts';

export interface ElementWorldOptions {
  readonly server?: FaultServerPlainOptions;
  readonly uploader?: Partial<UploaderOptions>;
  /** Set before the element is put into the page. */
  readonly element?: Partial<BulkheadUploader>;
  readonly dir?: 'ltr' | 'rtl';
}

/** The element in this page, with an uploader to a fault server of its own. */
export interface ElementWorld {
  readonly server: FaultServerClient;
  readonly uploader: Uploader;
  readonly element: BulkheadUploader;
  /** The first one that has this part name; throws when there is none. */
  part(name: string): HTMLElement;
  parts(name: string): HTMLElement[];
  has(name: string): boolean;
  /** Text as a person reads it: spaces folded. */
  text(name: string): string;
  /** Until `check` gives something true. */
  until<T>(check: () => T): Promise<NonNullable<T>>;
  /** What axe-core finds, by rule: each with the elements it is about. */
  violations(): Promise<Record<string, string[]>>;
  remove(): Promise<void>;
}

export async function createElementWorld(options: ElementWorldOptions = {}): Promise<ElementWorld> {
  const parent = await connectFaultServer(inject('faultServerUrl'));
  const processing = { processMs: 5, embedMs: 5 };
  const server = await parent.spawn({ processing, ...options.server });
  const uploader = createUploader({
    adapter: bulkheadAdapter({ baseUrl: server.url }),
    storage: false,
    ...options.uploader,
  });
  document.documentElement.lang = 'en';
  document.title = 'Test';
  document.body.style.background = options.element?.theme === 'dark' ? '#000' : '#fff';
  const main = document.createElement('main');
  main.dir = options.dir ?? 'ltr';
  const element = document.createElement('bulkhead-uploader');
  Object.assign(element, { noLeaveWarning: true, uploader, ...options.element });
  main.append(element);
  document.body.append(main);
  await element.updateComplete;

  const parts = (name: string): HTMLElement[] => [
    ...element.renderRoot.querySelectorAll<HTMLElement>(`[part~="${name}"]`),
  ];
  const part = (name: string): HTMLElement => {
    const [first] = parts(name);
    if (!first) throw new Error(`There is no part "${name}"`);
    return first;
  };
  return {
    server,
    uploader,
    element,
    part,
    parts,
    has: (name) => parts(name).length > 0,
    text: (name) => (part(name).textContent ?? '').replace(/\s+/g, ' ').trim(),
    until,
    async violations() {
      // What is half faded in has no contrast to measure.
      const still = new CSSStyleSheet();
      still.replaceSync('* { animation: none !important; transition: none !important }');
      const root = element.renderRoot as ShadowRoot;
      root.adoptedStyleSheets = [...root.adoptedStyleSheets, still];
      const { violations } = await axe.run(main, {
        runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
      });
      return Object.fromEntries(
        violations.map(({ id, nodes }) => [
          id,
          nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`),
        ]),
      );
    },
    async remove() {
      main.remove();
      uploader.destroy();
      await Promise.resolve();
    },
  };
}

/** Waits until `check` gives something true; its last error or value is what the failure says. */
export async function until<T>(check: () => T, waitMs = 25_000): Promise<NonNullable<T>> {
  const endMs = performance.now() + waitMs;
  for (;;) {
    let problem: unknown = 'is not so';
    try {
      const value = check();
      if (value) return value;
    } catch (error) {
      problem = error;
    }
    if (performance.now() > endMs) expect.fail(`${check}: ${problem}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A picture with one colour, so that there is something to decode. */
export async function picture(name: string, colour = '#2a6'): Promise<File> {
  const canvas = new OffscreenCanvas(64, 64);
  const context = canvas.getContext('2d');
  if (!context) throw new Error('This browser draws nothing');
  context.fillStyle = colour;
  context.fillRect(0, 0, 64, 64);
  const blob = await canvas.convertToBlob({ type: 'image/png' });
  return new File([blob, name], name, { type: 'image/png', lastModified: 1 });
}
