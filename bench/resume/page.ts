import type { AddResult, CredentialRequest, CredentialResult } from '../../src/index.ts';

declare global {
  interface Window {
    made: File[];
    longTasks: number[];
  }
}

export interface Batch {
  readonly rows: number;
  readonly sizeBytes: number;
}

/** Runs in the page, and stands alone. The same files every time, each with contents of its own. */
export function makeFiles({ rows, sizeBytes }: Batch): void {
  window.made = Array.from({ length: rows }, (_, at) => {
    const bytes = new Uint8Array(sizeBytes);
    new DataView(bytes.buffer).setUint32(0, at);
    const path = `roll-${at % 100}/photo-${at}.jpg`;
    const file = new File([bytes], `photo-${at}.jpg`, { type: 'image/jpeg', lastModified: at });
    Object.defineProperty(file, 'webkitRelativePath', { value: path });
    return file;
  });
}

/** Runs in the page. */
export function addFiles(): Promise<AddResult> {
  return window.uploader.add(window.made);
}

/** Runs in the page: begins with a backend that knows the first half already. */
export function startHalfDone(rows: number): void {
  let known = 0;
  window.start({
    adapter: {
      name: 'half done',
      capabilities: { maxConcurrency: 6, maxBatchFiles: 500 },
      credentials: (files: readonly CredentialRequest[]) => {
        if (known >= rows / 2) return new Promise<CredentialResult[]>(() => {});
        known += files.length;
        return Promise.resolve(
          files.map(() => ({ status: 'duplicate', assetId: crypto.randomUUID() }) as const),
        );
      },
      put: () => Promise.reject(new Error('Nothing is sent')),
      finalize: () => Promise.reject(new Error('Nothing is finalized')),
    },
  });
}

/** Runs in the page: notes every task over 50 ms. */
export function watchTasks(): void {
  window.longTasks = [];
  new PerformanceObserver((list) => {
    window.longTasks.push(...list.getEntries().map(({ duration }) => duration));
  }).observe({ type: 'longtask' });
}
