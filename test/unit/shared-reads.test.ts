import { describe, expect, it, vi } from 'vitest';
import { SharedReads } from '../../src/hashing/shared-reads.ts';
import { HangingFile } from '../support/hash-hanging-file.ts';
import { VirtualRuntime } from '../support/virtual-runtime.ts';

type Read = (file: Blob) => Promise<ArrayBuffer>;

/** Says what each read was of, by size. @param fate what becomes of one, unless it goes well */
function world(
  fate: (file: Blob, read: Read) => Promise<ArrayBuffer> = (file, read) => read(file),
) {
  const runtime = new VirtualRuntime();
  const reads: number[] = [];
  const { arrayBuffer } = Blob.prototype;
  const spy = vi.spyOn(Blob.prototype, 'arrayBuffer').mockImplementation(function (this: Blob) {
    reads.push(this.size);
    return fate(this, (file) => arrayBuffer.call(file));
  });
  const shared = new SharedReads();
  const { signal: never } = new AbortController();
  return {
    ...{ runtime, reads },
    read: (file: Blob, signal = never) => shared.read(file, { runtime, signal }),
    [Symbol.dispose]: () => spy.mockRestore(),
  };
}

const file = (text: string) => new Blob([text]);
const textOf = (bytes: ArrayBuffer) => new TextDecoder().decode(bytes);

describe('small files that are asked for together', () => {
  it('are read at once, and each gets its own bytes', async () => {
    using its = world();
    const files = ['one', '', 'three', 'four'].map(file);
    const bytes = await Promise.all(files.map((each) => its.read(each)));
    expect(bytes.map(textOf)).toEqual(['one', '', 'three', 'four']);
    expect(its.reads).toEqual([12]);
  });

  it('go with the next read while one is under way, 32 and 2 MB at most', async () => {
    using its = world();
    const files = Array.from({ length: 140 }, (_, index) => file(`file ${index + 100}`));
    const large = Array.from({ length: 5 }, () => new Blob([new Uint8Array(900_000)]));
    const bytes = await Promise.all([...files, ...large].map((each) => its.read(each)));
    expect(bytes.slice(0, 140).map(textOf)).toEqual(files.map((_, index) => `file ${index + 100}`));
    expect(its.reads).toEqual([64 * 8, 64 * 8, 12 * 8 + 2 * 900_000, 1_800_000, 900_000]);
  });

  it('are read one by one when one of them cannot be, which alone fails', async () => {
    const gone = file('gone');
    const notFound = new DOMException('gone', 'NotFoundError');
    using its = world((each, read) =>
      each === gone || each.size === 11 ? Promise.reject(notFound) : read(each),
    );
    const reading = [file('one'), gone, file('four')].map((each) => its.read(each));
    expect(await Promise.allSettled(reading)).toMatchObject([
      { status: 'fulfilled' },
      { status: 'rejected', reason: notFound },
      { status: 'fulfilled' },
    ]);
  });

  it('are read one by one when together they are not as long as they were', async () => {
    using its = world(async (each, read) => (await read(each)).slice(each.size === 7 ? 1 : 0));
    const bytes = await Promise.all([its.read(file('one')), its.read(file('four'))]);
    expect(bytes.map(textOf)).toEqual(['one', 'four']);
  });

  it('are read one by one when there is no memory for all', async () => {
    using its = world(async (each, read) => {
      const bytes = await read(each);
      const full = () => {
        throw new RangeError('Array buffer allocation failed');
      };
      return each.size === 7 ? Object.assign(bytes, { slice: full }) : bytes;
    });
    const bytes = await Promise.all([its.read(file('one')), its.read(file('four'))]);
    expect(bytes.map(textOf)).toEqual(['one', 'four']);
  });

  it('do not wait for one that hangs, and none waits for another from then on', async () => {
    const hanging = file('hangs');
    using its = world((each, read) =>
      each === hanging || each.size === 12 ? new Promise(() => {}) : read(each),
    );
    const reading = Promise.all([its.read(file('one')), its.read(file('four'))]);
    void its.read(hanging).catch(() => {});
    await its.runtime.advance(3_000);
    expect((await reading).map(textOf)).toEqual(['one', 'four']);
    its.reads.length = 0;
    await Promise.all([its.read(file('five')), its.read(file('six'))]);
    expect(its.reads).toEqual([4, 3]);
  });

  it('are read alone after a read that failed, the others as before', async () => {
    const bad = file('bad');
    using its = world((each, read) =>
      each.size === 6 ? Promise.reject(new DOMException('gone', 'NotFoundError')) : read(each),
    );
    await Promise.all([its.read(bad), its.read(file('one'))]);
    its.reads.length = 0;
    await Promise.all([its.read(bad), its.read(file('five')), its.read(file('seven'))]);
    expect(its.reads.toSorted((a, b) => a - b)).toEqual([3, 9]);
  });

  it('are read one by one when one of them says another size than it has', async () => {
    using its = world();
    const odd = Object.defineProperty(file('three'), 'size', { value: 4 });
    const outcomes = await Promise.allSettled([its.read(odd), its.read(file('four'))]);
    expect(outcomes).toMatchObject([
      { status: 'rejected', reason: { code: 'file_changed' } },
      { status: 'fulfilled' },
    ]);
  });

  it('are told at once that they were cancelled, while others are read', async () => {
    using its = world(() => new Promise(() => {}));
    const controller = new AbortController();
    const reading = [
      its.read(file('one'), controller.signal),
      its.read(file('four'), controller.signal),
    ];
    await its.runtime.advance(10);
    controller.abort();
    const outcomes = await Promise.allSettled(reading);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });

  it('do not take each other along when one is cancelled', async () => {
    using its = world();
    const controller = new AbortController();
    const reading = [its.read(file('one')), its.read(file('two'), controller.signal)];
    controller.abort();
    const outcomes = await Promise.allSettled(reading);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });
});

it('a large file is read alone', async () => {
  using its = world();
  const large = new HangingFile({ sizeBytes: 3_000_000, fate: () => 'reads' });
  const [bytes] = await Promise.all([
    its.read(large),
    its.read(file('one')),
    its.read(file('two')),
  ]);
  expect(bytes?.byteLength).toBe(3_000_000);
  expect(its.reads).toContain(6);
});
