import { type ReactNode, StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { onTestFinished } from 'vitest';
import { type Runtime, systemRuntime } from '../../src/runtime/runtime.ts';

export interface ReactPage {
  readonly element: HTMLElement;
  show(node: ReactNode): void;
  unmount(): void;
  text(): string;
}

/** A root in the page, gone when the test is over. */
export function openReactPage(node: ReactNode, { strict = false } = {}): ReactPage {
  const element = document.body.appendChild(document.createElement('main'));
  const root = createRoot(element);
  const show = (shown: ReactNode) => root.render(strict ? <StrictMode>{shown}</StrictMode> : shown);
  show(node);
  onTestFinished(() => {
    root.unmount();
    element.remove();
  });
  return { element, show, unmount: () => root.unmount(), text: () => element.textContent ?? '' };
}

/** The browser's runtime, and how many uploaders live on it: each listens once for the page's end. */
export function countingRuntime(): { readonly runtime: Runtime; made(): number; alive(): number } {
  let made = 0;
  let ended = 0;
  const system = systemRuntime();
  const runtime: Runtime = {
    ...system,
    onHide(callback) {
      made += 1;
      const stop = system.onHide(callback);
      return () => {
        ended += 1;
        stop();
      };
    },
  };
  return { runtime, made: () => made, alive: () => made - ended };
}
