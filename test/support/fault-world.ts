import { expect, inject } from 'vitest';
import { isEnded } from '../../src/core/upload-state.ts';
import type { Uploader } from '../../src/core/uploader.ts';
import { createUploader, type UploaderOptions } from '../../src/create-uploader.ts';
import {
  connectFaultServer,
  type FaultRoute,
  type FaultServerClient,
  type FaultServerPlainOptions,
  type InvariantOptions,
  type RecordedRequest,
} from '../../src/testing/client.ts';
import type { UploadAdapter } from '../../src/transports/adapter.ts';
import { bulkheadAdapter } from '../../src/transports/bulkhead-adapter.ts';
import {
  type HurriedRuntime,
  type HurriedRuntimeOptions,
  hurriedRuntime,
} from './hurried-runtime.ts';
import { expectHonestRun, type RunWatch, watchRun } from './run-watch.ts';

/** A page that uploads to a fault server of its own, by real requests. */
export interface FaultWorld {
  readonly server: FaultServerClient;
  readonly uploader: Uploader;
  readonly runtime: HurriedRuntime;
  readonly run: RunWatch;
  /** Adds files, and remembers their own SHA-256. */
  add(files: readonly File[]): Promise<void>;
  /** Adds files and waits until nothing is left to do. */
  upload(files: readonly File[]): Promise<void>;
  /** Waits until what was under way has ended, while nothing new begins. */
  quiet(): Promise<void>;
  statuses(): string[];
  requests(...routes: FaultRoute[]): Promise<RecordedRequest[]>;
  /** PUTs that came for each file, whatever became of them. */
  putsByName(): Promise<Record<string, number>>;
  /** I1 to I9; ends the uploader. */
  verify(check?: Omit<InvariantOptions, 'uploads' | 'sourceChecksums' | 'texts'>): Promise<void>;
}

export interface FaultWorldOptions extends HurriedRuntimeOptions {
  readonly server?: FaultServerPlainOptions;
  readonly uploader?: Partial<UploaderOptions>;
  /** Stands between the uploader and its adapter. */
  readonly wrap?: (adapter: UploadAdapter, server: FaultServerClient) => UploadAdapter;
}

/** What nobody caught, in this page and since it was loaded. */
const uncaught: unknown[] = [];
addEventListener('unhandledrejection', ({ reason }) => void uncaught.push(reason));
addEventListener('error', ({ error }) => void uncaught.push(error));

export async function createFaultWorld(options: FaultWorldOptions = {}): Promise<FaultWorld> {
  const parent = await connectFaultServer(inject('faultServerUrl'));
  const processing = { processMs: 5, embedMs: 5 };
  const server = await parent.spawn({ processing, ...options.server });
  const runtime = hurriedRuntime(options);
  const adapter = bulkheadAdapter({ baseUrl: server.url }, runtime);
  const uploader = createUploader({
    adapter: options.wrap?.(adapter, server) ?? adapter,
    runtime,
    // Tests run side by side in one browser, and name their files alike.
    storage: false,
    ...options.uploader,
  });
  const run = watchRun(uploader);
  const checksums = new Map<string, string>();

  const requests: FaultWorld['requests'] = async (...routes) => {
    const { requests: all } = await server.state();
    return all.filter(({ route }) => (routes as string[]).includes(route));
  };
  const add: FaultWorld['add'] = async (files) => {
    for (const file of files) {
      const path = (file.webkitRelativePath || file.name).normalize('NFC');
      if (!checksums.has(path)) checksums.set(path, await sha256(file).catch(() => ''));
    }
    await uploader.add(files);
  };
  return {
    server,
    uploader,
    runtime,
    run,
    add,
    requests,
    async upload(files) {
      await add(files);
      await uploader.done();
    },
    async quiet() {
      const underWay = () =>
        [...uploader.uploads()].filter(({ status }) =>
          ['uploading', 'requesting', 'finalizing'].includes(status),
        ).length;
      while (underWay() > 0) await pause(20);
    },
    statuses: () => [...uploader.uploads()].map(({ status }) => status),
    async putsByName() {
      const counts: Record<string, number> = {};
      for (const { filenames } of await requests('put')) {
        for (const name of filenames) counts[name] = (counts[name] ?? 0) + 1;
      }
      return counts;
    },
    async verify(check = {}) {
      const uploads = [...uploader.uploads()];
      const known = uploads.flatMap(({ id, path }) => {
        const checksum = checksums.get(path);
        return checksum ? [[id, checksum]] : [];
      });
      const sourceChecksums = Object.fromEntries(known);
      const given = { ...check, uploads, sourceChecksums, texts: run.texts() };
      expect(await server.invariants(given), run.retries.join('\n')).toEqual([]);
      expect(uploads.every(({ status }) => isEnded(status))).toBe(true);
      expectHonestRun(uploader, run);
      uploader.destroy();
      // Whatever still rejects does so by now.
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(runtime.errors, 'I8').toEqual([]);
      expect(uncaught, 'I8').toEqual([]);
    },
  };
}

/** Files whose bytes no other has, named `photo-0.jpg` and so on. */
export function photos(count: number, sizeBytes = 3_000): File[] {
  return Array.from({ length: count }, (_, at) => photo(`photo-${at}.jpg`, sizeBytes));
}

export function photo(name: string, sizeBytes = 3_000): File {
  const bytes = new Uint8Array(sizeBytes);
  crypto.getRandomValues(bytes.subarray(0, Math.min(sizeBytes, 32)));
  return new File([bytes], name, { type: 'image/jpeg', lastModified: 1 });
}

/** All of so many uploads in one status. */
export const all = (count: number, status = 'searchable') => Array<string>(count).fill(status);

export async function sha256(blob: Blob): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export const pause = (delayMs: number) => new Promise((resolve) => setTimeout(resolve, delayMs));
