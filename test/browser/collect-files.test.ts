import { describe, expect, it } from 'vitest';
import { type AddInput, collectFiles } from '../../src/core/intake/collect-files.ts';
import { dropOf, fileEntry, folderEntry } from '../support/folder-drop.ts';

async function collect(input: AddInput): Promise<{ path: string; isReadable: boolean }[]> {
  const found: { path: string; isReadable: boolean }[] = [];
  for await (const entry of collectFiles(input)) {
    found.push({ path: entry.path, isReadable: 'file' in entry });
  }
  return found;
}

const photo = (name: string) => new File(['x'], name, { type: 'image/jpeg' });

describe('collecting files', () => {
  it('takes arrays, file lists and async iterables', async () => {
    const drop = new DataTransfer();
    drop.items.add(photo('a.jpg'));
    drop.items.add(photo('b.jpg'));
    expect(await collect([photo('a.jpg')])).toEqual([{ path: 'a.jpg', isReadable: true }]);
    expect((await collect(drop.files)).map(({ path }) => path)).toEqual(['a.jpg', 'b.jpg']);
    async function* slowly() {
      yield photo('c.jpg');
    }
    expect(await collect(slowly())).toEqual([{ path: 'c.jpg', isReadable: true }]);
  });

  it('takes the files of a drop that has no folders', async () => {
    const drop = new DataTransfer();
    drop.items.add(photo('a.jpg'));
    drop.items.add('some text', 'text/plain');
    expect(await collect(drop)).toEqual([{ path: 'a.jpg', isReadable: true }]);
  });

  it('finds every file of a folder of 250, and of the folders in it', async () => {
    const files = Array.from({ length: 250 }, (_, index) =>
      fileEntry(`/trip/${index}.jpg`, photo(`${index}.jpg`)),
    );
    const inner = folderEntry('/trip/day 2', [fileEntry('/trip/day 2/z.jpg', photo('z.jpg'))]);
    const found = await collect(dropOf([folderEntry('/trip', [...files, inner])]));
    expect(found).toHaveLength(251);
    expect(found.at(-1)).toEqual({ path: 'trip/day 2/z.jpg', isReadable: true });
  });

  it('gives the first file before the last folder was listed', async () => {
    const never = {
      ...(folderEntry('/later', []) as object),
      createReader: () => ({ readEntries() {} }),
    };
    const drop = dropOf([folderEntry('/now', [fileEntry('/now/a.jpg', photo('a.jpg'))]), never]);
    const iterator = (collectFiles(drop) as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    expect((await iterator.next()).value).toMatchObject({ path: 'now/a.jpg' });
  });

  it('opens files side by side and gives them in their order', async () => {
    let opening = 0;
    let mostAtOnce = 0;
    const slowEntry = (index: number) => ({
      ...(fileEntry(`/trip/${index}.jpg`, photo(`${index}.jpg`)) as object),
      file(resolve: (file: File) => void) {
        opening += 1;
        mostAtOnce = Math.max(mostAtOnce, opening);
        setTimeout(
          () => {
            opening -= 1;
            resolve(photo(`${index}.jpg`));
          },
          index % 2 === 0 ? 5 : 0,
        );
      },
    });
    const entries = Array.from({ length: 40 }, (_, index) => slowEntry(index));
    const found = await collect(dropOf([folderEntry('/trip', entries)]));
    expect(found.map(({ path }) => path)).toEqual(entries.map((_, index) => `trip/${index}.jpg`));
    expect(mostAtOnce).toBe(32);
  });

  it('walks file and folder handles', async () => {
    const root = await navigator.storage.getDirectory();
    const trip = await root.getDirectoryHandle('trip', { create: true });
    const day = await trip.getDirectoryHandle('day 1', { create: true });
    for (const [folder, name] of [
      [trip, 'a.jpg'],
      [day, 'b.jpg'],
    ] as const) {
      const writable = await (await folder.getFileHandle(name, { create: true })).createWritable();
      await writable.write('x');
      await writable.close();
    }
    try {
      const found = (await collect(trip)).map(({ path }) => path).sort();
      expect(found).toEqual(['trip/a.jpg', 'trip/day 1/b.jpg']);
      expect(await collect([await trip.getFileHandle('a.jpg'), photo('c.jpg')])).toEqual([
        { path: 'a.jpg', isReadable: true },
        { path: 'c.jpg', isReadable: true },
      ]);
    } finally {
      await root.removeEntry('trip', { recursive: true });
    }
  });

  it('reports what cannot be opened and goes on', async () => {
    const denied = new DOMException('denied', 'NotReadableError');
    const found = await collect(
      dropOf([
        folderEntry('/secret', denied),
        folderEntry('/trip', [
          fileEntry('/trip/a.jpg', denied),
          fileEntry('/trip/b.jpg', photo('b.jpg')),
        ]),
      ]),
    );
    expect(found).toEqual([
      { path: 'secret', isReadable: false },
      { path: 'trip/a.jpg', isReadable: false },
      { path: 'trip/b.jpg', isReadable: true },
    ]);
  });

  it('writes paths in one Unicode form, so that a folder from another system matches', async () => {
    const decomposed = 'Cafe\u0301.jpg';
    const [found] = await collect([photo(decomposed)]);
    expect(found?.path).toBe('Caf\u00e9.jpg');
  });
});
