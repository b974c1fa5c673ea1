import { createUploader, type Runtime, systemRuntime, type Uploader } from 'bulkhead';
import { createIdleStore, type IdleStore } from './idle-store.ts';
import type { AddMeasure, EventMeasure, StreamMeasure } from './measures.ts';
import { watchTasks } from './task-probe.ts';

const PROGRESS_EVENTS = 5_000;
const SNAPSHOTS = 5;

const delay = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** An uploader with one subscriber, as a page has, and a clock on what telling it costs. */
export interface MeasuredUploader {
  readonly uploader: Uploader;
  readonly store: IdleStore;
  readonly snapshotTimes: readonly number[];
}

export function createMeasuredUploader(options: {
  autoStart: boolean;
  isAnswering: boolean;
}): MeasuredUploader {
  const { autoStart, isAnswering } = options;
  const store = createIdleStore({ isAnswering });
  const snapshotTimes: number[] = [];
  let isTold = false;
  const system = systemRuntime();
  const runtime: Runtime = {
    ...system,
    setTimer(callback, delayMs) {
      return system.setTimer(() => {
        isTold = false;
        const startedMs = performance.now();
        callback();
        if (isTold) snapshotTimes.push(performance.now() - startedMs);
      }, delayMs);
    },
  };
  const uploader = createUploader({
    adapter: store.adapter,
    hasher: store.hasher,
    runtime,
    autoStart,
  });
  uploader.subscribe(() => {
    isTold = true;
    uploader.getSnapshot();
  });
  return { uploader, store, snapshotTimes };
}

export async function measureAdd(
  { uploader, store }: MeasuredUploader,
  files: readonly File[],
): Promise<AddMeasure> {
  const stop = watchTasks();
  const startedMs = performance.now();
  const { added } = await uploader.add(files);
  const totalMs = performance.now() - startedMs;
  const putsBegun = store.puts.length;
  return { ...(await stop()), added, totalMs, putsBegun };
}

/** Progress of the PUTs under way, and the snapshots that follow from it. */
export async function measureEvents(measured: MeasuredUploader): Promise<EventMeasure> {
  const { uploader, store, snapshotTimes } = measured;
  uploader.start();
  while (store.puts.length === 0) await delay(10);
  await delay(300);

  const startedMs = performance.now();
  for (let event = 0; event < PROGRESS_EVENTS; event += 1) {
    store.puts[event % store.puts.length]?.onProgress(event % 1_000);
  }
  const eventMs = (performance.now() - startedMs) / PROGRESS_EVENTS;

  const before = snapshotTimes.length;
  while (snapshotTimes.length < before + SNAPSHOTS) {
    store.puts[0]?.onProgress(snapshotTimes.length);
    await delay(20);
  }
  const taken = snapshotTimes.slice(before);
  return { eventMs, snapshotMs: taken.reduce((sum, ms) => sum + ms, 0) / taken.length };
}

/** Takes the next drop on the page. Files are hashed as ever; no PUT ends. */
export function measureDrop(): Promise<StreamMeasure> {
  const store = createIdleStore({ isAnswering: false });
  const uploader = createUploader({ adapter: store.adapter });
  let added = 0;
  let filesAtFirstPut = 0;
  uploader.on('upload-added', () => {
    added += 1;
    if (store.puts.length === 0) filesAtFirstPut = added;
  });
  return new Promise((resolve) => {
    addEventListener('dragover', (event) => event.preventDefault());
    addEventListener('drop', async (event) => {
      event.preventDefault();
      if (!event.dataTransfer) return;
      const stop = watchTasks();
      const startedMs = performance.now();
      await uploader.add(event.dataTransfer);
      const totalMs = performance.now() - startedMs;
      const tasks = await stop();
      const firstPutMs = (store.firstPutMs() ?? Number.POSITIVE_INFINITY) - startedMs;
      resolve({ ...tasks, added, firstPutMs, filesAtFirstPut, totalMs });
    });
  });
}
