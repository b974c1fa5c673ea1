import Uppy from '@uppy/core';
import type { AddMeasure, EventMeasure } from './measures.ts';
import { watchTasks } from './task-probe.ts';

/** Each costs milliseconds. */
const PROGRESS_EVENTS = 100;

const SILENT = { debug() {}, warn() {}, error() {} };

export const version = Uppy.VERSION;

type MeasuredUppy = ReturnType<typeof createUppy>;

/** Uppy at its fastest: nothing starts by itself, no plugins, no log; one subscriber, as ours has. */
export function createUppy() {
  const uppy = new Uppy({ autoProceed: false, logger: SILENT });
  uppy.on('state-update', () => uppy.getState());
  return uppy;
}

/** `addFiles`, the way it documents for many files; making the descriptors does not count. */
export async function measureAdd(uppy: MeasuredUppy, files: readonly File[]): Promise<AddMeasure> {
  const descriptors = files.map((file) => ({
    source: 'file input',
    name: file.name,
    type: file.type,
    data: file,
    meta: { relativePath: file.webkitRelativePath },
  }));
  const stop = watchTasks();
  const startedMs = performance.now();
  uppy.addFiles(descriptors);
  const totalMs = performance.now() - startedMs;
  return { ...(await stop()), added: uppy.getFiles().length, totalMs, putsBegun: 0 };
}

/** What an uploader plugin emits; it updates the state and tells subscribers at once. */
export function measureEvents(uppy: MeasuredUppy): EventMeasure {
  const [file] = uppy.getFiles();
  if (!file) return { eventMs: 0, snapshotMs: 0 };
  const startedMs = performance.now();
  for (let event = 0; event < PROGRESS_EVENTS; event += 1) {
    uppy.emit('upload-progress', file, {
      uploadStarted: startedMs,
      bytesUploaded: event,
      bytesTotal: 1_000,
    });
  }
  return { eventMs: (performance.now() - startedMs) / PROGRESS_EVENTS, snapshotMs: 0 };
}
