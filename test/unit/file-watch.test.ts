import { expect, it } from 'vitest';
import { FileWatch } from '../../src/core/stages/file-watch.ts';
import type { UploadError } from '../../src/errors/upload-error.ts';
import { VirtualRuntime } from '../support/virtual-runtime.ts';

const SIZE_BYTES = 1_000;
const QUIET_MS = 5_000;

/** A file of which the disk has `leftBytes` by now. */
function createWatch(leftBytes: number) {
  const disk = { leftBytes, looks: 0, isTouched: false };
  const body = {
    slice(from: number) {
      const at = from < 0 ? SIZE_BYTES + from : from;
      return {
        size: 1,
        async arrayBuffer() {
          disk.looks += 1;
          if (disk.isTouched) throw new DOMException('It changed', 'NotReadableError');
          return new ArrayBuffer(at < disk.leftBytes ? 1 : 0);
        },
      };
    },
  } as unknown as Blob;
  const runtime = new VirtualRuntime();
  const faults: UploadError[] = [];
  const onFault = (error: UploadError) => void faults.push(error);
  const { signal } = new AbortController();
  const watch = new FileWatch({ runtime, bodies: [body], signal, onFault });
  const codes = () => faults.map(({ code }) => code);
  return { disk, runtime, watch, codes };
}

it('a file that is whole is looked at again while its PUT is silent, and left alone', async () => {
  const { disk, runtime, codes } = createWatch(SIZE_BYTES);
  await runtime.advance(3 * QUIET_MS);
  expect(disk.looks).toBe(3 * 2);
  expect(codes()).toEqual([]);
});

it('a file that is cut off is told once, however much of it was sent', async () => {
  const { disk, runtime, watch, codes } = createWatch(SIZE_BYTES);
  watch.sent();
  disk.leftBytes = 100;
  await runtime.advance(QUIET_MS - 1);
  expect(codes()).toEqual([]);
  await runtime.advance(3 * QUIET_MS);
  expect(codes()).toEqual(['file_changed']);
});

it('a file that is gone is told while nothing of it was sent', async () => {
  const { runtime, codes } = createWatch(0);
  await runtime.advance(QUIET_MS);
  expect(codes()).toEqual(['file_unreadable']);
});

it('a file that went after its first byte is left to its PUT', async () => {
  const { runtime, watch, codes } = createWatch(0);
  watch.sent();
  await runtime.advance(3 * QUIET_MS);
  expect(codes()).toEqual([]);
});

it('a file that was touched after its first byte is left to its PUT', async () => {
  const { disk, runtime, watch, codes } = createWatch(SIZE_BYTES);
  watch.sent();
  disk.isTouched = true;
  await runtime.advance(3 * QUIET_MS);
  expect(codes()).toEqual([]);
});

it('a file that was touched before its first byte is told', async () => {
  const { disk, runtime, codes } = createWatch(SIZE_BYTES);
  disk.isTouched = true;
  await runtime.advance(QUIET_MS);
  expect(codes()).toEqual(['file_changed']);
});

it('no file is looked at while its bytes move, nor after its PUT ended', async () => {
  const { disk, runtime, watch } = createWatch(0);
  for (let at = 0; at < 10; at += 1) {
    await runtime.advance(QUIET_MS / 2);
    watch.sent();
  }
  watch.stop();
  await runtime.advance(3 * QUIET_MS);
  expect(disk.looks).toBe(0);
});
