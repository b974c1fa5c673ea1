import { describe, expect, it } from 'vitest';
import { fileSources } from '../../src/core/session/file-sources.ts';
import { LentFile, MAX_LENT_BYTES } from '../../src/core/session/lent-file.ts';
import type { SessionBook } from '../../src/core/session/session-book.ts';
import { SessionFiles } from '../../src/core/session/session-files.ts';
import type { SessionHost } from '../../src/core/session/session-host.ts';
import type { Upload } from '../../src/core/upload-state.ts';
import { MemoryJournal } from '../../src/storage/memory-journal.ts';
import { VirtualRuntime } from '../support/virtual-runtime.ts';

const MEGABYTE = 1024 * 1024;

/** A file whose reads end as `read` says. */
function fileOf(sizeBytes: number, read: (slice: Blob) => Promise<ArrayBuffer>): File {
  const file = new File([new Uint8Array(sizeBytes)], 'lent.jpg', { lastModified: 7 });
  const slice = file.slice.bind(file);
  file.slice = (from, to) => {
    const part = slice(from, to);
    const original = part.arrayBuffer.bind(part);
    part.arrayBuffer = () => (part.size > 1 ? read(part) : original());
    return part;
  };
  return file;
}

describe('a file that another tab was given', () => {
  it('is copied piece by piece, with its name, type and time', async () => {
    const bytes = new Uint8Array(20 * MEGABYTE).map((_, at) => (at * 31) % 251);
    const original = new File([bytes], 'a.jpg', { type: 'image/jpeg', lastModified: 5 });
    const copy = await new LentFile(original, new VirtualRuntime()).copy();
    expect(copy).toMatchObject({ name: 'a.jpg', type: 'image/jpeg', lastModified: 5 });
    const copied = new Uint8Array((await copy?.arrayBuffer()) ?? new ArrayBuffer(0));
    expect(Buffer.compare(copied, bytes)).toBe(0);
  });

  it('is never read in one piece', async () => {
    const sizes: number[] = [];
    const file = fileOf(20 * MEGABYTE, async ({ size }) => {
      sizes.push(size);
      return new ArrayBuffer(size);
    });
    await new LentFile(file, new VirtualRuntime()).copy();
    expect(sizes).toEqual([8 * MEGABYTE, 8 * MEGABYTE, 4 * MEGABYTE]);
  });

  it('has no copy where there is no memory for it', async () => {
    const file = fileOf(20 * MEGABYTE, () => Promise.reject(new RangeError('Allocation failed')));
    expect(await new LentFile(file, new VirtualRuntime()).copy()).toBeUndefined();
  });

  it('that hangs while it is copied is given up after 30 s', async () => {
    const runtime = new VirtualRuntime();
    const copying = new LentFile(
      fileOf(MEGABYTE, () => new Promise(() => {})),
      runtime,
    ).copy();
    const failed = expect(copying).rejects.toMatchObject({ code: 'stalled' });
    await runtime.advance(30_000);
    await failed;
  });

  it('that was cut off meanwhile says that it changed', async () => {
    const file = fileOf(MEGABYTE, async () => new ArrayBuffer(100));
    const slice = file.slice.bind(file);
    file.slice = (from, to) => {
      const part = slice(from, to);
      if (from === -1) part.arrayBuffer = async () => new ArrayBuffer(0);
      return part;
    };
    const copying = new LentFile(file, new VirtualRuntime()).copy();
    await expect(copying).rejects.toMatchObject({ code: 'file_changed' });
  });
});

describe('where the files of a session come from', () => {
  async function sourceOf(sizeBytes: number) {
    const journal = new MemoryJournal();
    const runtime = new VirtualRuntime();
    const host = { runtime, emitter: { emit() {} } } as unknown as SessionHost;
    const { roots } = new SessionFiles(host, journal, 0);
    const file = new File(['x'], 'a.jpg');
    Object.defineProperty(file, 'size', { value: sizeBytes });
    const book = { id: 's', seqOf: () => 0 } as unknown as SessionBook;
    const places = { runtime, journal, roots, copies: undefined as never };
    const sources = await fileSources(book, places, new Map([[0, file]]));
    return sources({ id: 'u', path: 'a.jpg', batchId: 'b', sizeBytes } as Upload);
  }

  it('is the other tab, up to what fits the memory', async () => {
    expect(await sourceOf(MAX_LENT_BYTES)).toBeInstanceOf(LentFile);
  });

  it('is the person, of a file of the other tab that is too large to be copied', async () => {
    expect(await sourceOf(MAX_LENT_BYTES + 1)).toBeUndefined();
  });
});
