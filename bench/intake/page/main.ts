import * as bulkhead from './measure-bulkhead.ts';
import * as uppy from './measure-uppy.ts';
import type { IntakeBench } from './measures.ts';
import { syntheticFiles } from './synthetic-files.ts';
import { watchTasks } from './task-probe.ts';

let files: readonly File[] = [];
// Held until the page is closed: their memory is what is measured.
let measuredBulkhead: bulkhead.MeasuredUploader | undefined;
let measuredUppy: ReturnType<typeof uppy.createUppy> | undefined;

/** A bench called out of order. */
class BenchOrderError extends Error {
  override readonly name = 'BenchOrderError';
}

function started<T>(uploader: T | undefined): T {
  if (uploader === undefined) throw new BenchOrderError('Nothing was added yet');
  return uploader;
}

const bench: IntakeBench = {
  uppyVersion: uppy.version,
  async warmUp(name) {
    const few = syntheticFiles(10);
    if (name === 'uppy') {
      const instance = uppy.createUppy();
      await uppy.measureAdd(instance, few);
      instance.destroy();
    } else {
      const measured = bulkhead.createMeasuredUploader({ autoStart: false, isAnswering: false });
      await bulkhead.measureAdd(measured, few);
      measured.uploader.destroy();
    }
  },
  async idle() {
    const stop = watchTasks();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    return await stop();
  },
  makeFiles(count) {
    files = syntheticFiles(count);
  },
  async addToBulkhead({ autoStart }) {
    measuredBulkhead = bulkhead.createMeasuredUploader({ autoStart, isAnswering: autoStart });
    return await bulkhead.measureAdd(measuredBulkhead, files);
  },
  bulkheadEvents: () => bulkhead.measureEvents(started(measuredBulkhead)),
  async addToUppy() {
    measuredUppy = uppy.createUppy();
    return await uppy.measureAdd(measuredUppy, files);
  },
  async uppyEvents() {
    return uppy.measureEvents(started(measuredUppy));
  },
  takeDrop: () => bulkhead.measureDrop(),
};

window.intakeBench = bench;
