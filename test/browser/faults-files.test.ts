import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { describeFailure } from '../../src/errors/describe-failure.ts';
import { subtleHasher } from '../../src/hashing/subtle-hasher.ts';
import { all, createFaultWorld, type FaultWorld, photo, photos } from '../support/fault-world.ts';
import { dropOf, fileEntry, folderEntry } from '../support/folder-drop.ts';

/** Files of the browser's own file system: they can be edited and deleted, as those of a disk. */
let disk: FileSystemDirectoryHandle;
beforeAll(async () => {
  disk = await navigator.storage.getDirectory();
});

async function write(name: string, content: BlobPart): Promise<File> {
  const handle = await disk.getFileHandle(name, { create: true });
  const stream = await handle.createWritable();
  await stream.write(new Blob([content]));
  await stream.close();
  onTestFinished(() => disk.removeEntry(name).catch(() => {}));
  return handle.getFile();
}

/** When one upload first has that status. */
function reached({ uploader }: FaultWorld, name: string, status: string): Promise<void> {
  return new Promise((resolve) => {
    uploader.on('upload-changed', ({ upload }) => {
      if (upload.name === name && upload.status === status) resolve();
    });
  });
}

describe('files that change under way', { timeout: 30_000 }, () => {
  it('43: a file that was edited after it was hashed is not stored, and the others are', async () => {
    const world = await createFaultWorld();
    const file = await write('edited.jpg', 'x'.repeat(50_000));
    await world.server.behave({ latencyMs: 100 });
    const isHashed = reached(world, 'edited.jpg', 'requesting');
    await world.add([...photos(10), file]);
    await isHashed;
    await write('edited.jpg', 'y'.repeat(50_000));
    await world.uploader.done();
    const [failed] = world.uploader.failures();
    expect(failed).toMatchObject({ name: 'edited.jpg', failure: { code: 'file_changed' } });
    expect(world.statuses().filter((status) => status === 'searchable')).toHaveLength(10);
    const { assets } = await world.server.state();
    expect(assets.map(({ filename }) => filename)).not.toContain('edited.jpg');
    await world.verify();
  });

  it('43: bytes that are not those that were hashed are refused by the store, and named as changed', async () => {
    const old = new Blob(['before the edit']);
    const world = await createFaultWorld({
      uploader: {
        hasher: {
          hash: (file, signal) => subtleHasher.hash(file.size === 15 ? old : file, signal),
        },
      },
    });
    await world.upload([...photos(10), new File(['after the edit!'], 'same-size.jpg')]);
    expect(world.uploader.failures()).toMatchObject([
      { name: 'same-size.jpg', failure: { code: 'file_changed' } },
    ]);
    expect((await world.server.state()).assets).toHaveLength(10);
    await world.verify();
  });

  it('44: a file that is cut off while it is sent is not stored, and not sent without end', async () => {
    const world = await createFaultWorld();
    const file = await write('cut.jpg', new Uint8Array(40_000_000));
    const match = { route: 'put', filename: 'cut.jpg' } as const;
    await world.server.plan([{ match, at: 'body:1', do: { trickleBytesPerSecond: 20_000_000 } }]);
    const isSending = reached(world, 'cut.jpg', 'uploading');
    await world.add([file, ...photos(10)]);
    await isSending;
    await write('cut.jpg', 'short');
    await world.uploader.done();
    expect(world.uploader.failures()).toMatchObject([
      { name: 'cut.jpg', failure: { code: 'file_changed' } },
    ]);
    expect((await world.server.state()).assets).toHaveLength(10);
    expect((await world.putsByName())['cut.jpg'] ?? 0).toBeLessThanOrEqual(2);
    await world.verify();
  });

  it('45: a file that was deleted fails in words, and the others go on', async () => {
    const world = await createFaultWorld();
    const file = await write('deleted.jpg', 'gone soon');
    await disk.removeEntry('deleted.jpg');
    await world.upload([file, ...photos(10)]);
    const [failed] = world.uploader.failures();
    expect(failed).toMatchObject({ name: 'deleted.jpg', failure: { code: 'file_unreadable' } });
    expect(world.statuses().filter((status) => status === 'searchable')).toHaveLength(10);
    await world.verify();
  });

  it('45: a file that was deleted after it was hashed is not mistaken for a lost network', async () => {
    const world = await createFaultWorld();
    const file = await write('unplugged.jpg', 'x'.repeat(50_000));
    await world.server.behave({ latencyMs: 100 });
    const isHashed = reached(world, 'unplugged.jpg', 'requesting');
    await world.add([file, ...photos(10)]);
    await isHashed;
    await disk.removeEntry('unplugged.jpg');
    await world.uploader.done();
    expect(world.uploader.failures()).toMatchObject([
      { name: 'unplugged.jpg', failure: { code: 'file_unreadable' } },
    ]);
    expect(world.statuses().filter((status) => status === 'searchable')).toHaveLength(10);
    await world.verify();
  });
});

describe.concurrent('files as they are chosen', { timeout: 30_000 }, () => {
  it('46: a file whose permission was revoked says so, and is taken up again when it is back', async () => {
    const world = await createFaultWorld();
    const file = photo('private.jpg');
    const denied = () => Promise.reject(new DOMException('denied', 'NotAllowedError'));
    Object.defineProperty(file, 'arrayBuffer', { value: denied, configurable: true });
    await world.upload([file, ...photos(10)]);
    const [failed] = world.uploader.failures();
    expect(failed).toMatchObject({ name: 'private.jpg', failure: { code: 'file_unreadable' } });
    if (!failed || !('failure' in failed)) throw new Error('It did not fail');
    expect(failed.failure.message).toContain('permission');
    expect(describeFailure(failed.failure)).toContain('permission');
    Reflect.deleteProperty(file, 'arrayBuffer');
    expect(world.uploader.deadLetters.redrive('all')).toBe(1);
    await world.uploader.done();
    expect(world.statuses()).toEqual(all(11));
    await world.verify();
  });

  it('47: an empty file is refused before anything is asked, the others go on', async () => {
    const world = await createFaultWorld();
    await world.upload([new File([], 'empty.jpg'), ...photos(10)]);
    expect(world.uploader.failures()).toMatchObject([
      { name: 'empty.jpg', status: 'rejected', failure: { code: 'empty_file' } },
    ]);
    const asked = (await world.requests('credentials')).flatMap(({ filenames }) => filenames);
    expect(asked).not.toContain('empty.jpg');
    await world.verify();
  });

  it('47: an empty file that the page allows is for the server to refuse', async () => {
    const world = await createFaultWorld({
      uploader: { restrictions: { minFileSizeBytes: 0 } },
    });
    await world.upload([new File([], 'empty.jpg', { type: 'image/jpeg' }), ...photos(10)]);
    expect(world.uploader.failures()).toMatchObject([
      { name: 'empty.jpg', status: 'rejected', failure: { code: 'empty_file' } },
    ]);
    expect(world.statuses().filter((status) => status === 'searchable')).toHaveLength(10);
    await world.verify();
  });

  it('48: the same file twice is one upload, the same bytes under two names are sent once', async () => {
    const hashed: string[] = [];
    const world = await createFaultWorld({
      uploader: {
        hasher: {
          hash(file, signal) {
            hashed.push((file as File).name);
            return subtleHasher.hash(file, signal);
          },
        },
      },
    });
    const files = photos(5);
    const copies = files.map(
      (file) => new File([file], `copy of ${file.name}`, { type: file.type }),
    );
    await world.add(files);
    await world.upload([...files, ...copies]);
    expect([...world.statuses()].sort()).toEqual([...all(5, 'duplicate'), ...all(5)]);
    expect(hashed).toHaveLength(10);
    expect(new Set(hashed).size).toBe(10);
    const { assets, requests } = await world.server.state();
    expect(assets).toHaveLength(5);
    expect(requests.filter(({ route }) => route === 'put')).toHaveLength(5);
    await world.verify();
  });

  it('50: a file above the limit is refused before a byte is read', async () => {
    const world = await createFaultWorld();
    const huge = new File(['x'], 'film.mov');
    Object.defineProperty(huge, 'size', { value: 2 ** 31 + 1 });
    let reads = 0;
    for (const read of ['arrayBuffer', 'slice', 'stream', 'text']) {
      Object.defineProperty(huge, read, {
        value: () => {
          reads += 1;
          throw new RangeError('too much to read');
        },
      });
    }
    await world.uploader.add([huge]);
    await world.upload(photos(10));
    expect(world.uploader.failures()).toMatchObject([
      { name: 'film.mov', status: 'rejected', failure: { code: 'file_too_large' } },
    ]);
    expect(reads).toBe(0);
    await world.verify();
  });

  it('50: a large file is read in slices, never as a whole', async () => {
    const world = await createFaultWorld({
      server: { maxFileBytes: 200 * 1024 * 1024 },
      uploader: { restrictions: { maxFileSizeBytes: 200 * 1024 * 1024 } },
    });
    const large = photo('large.jpg', 130 * 1024 * 1024);
    const sizes: number[] = [];
    const slice = large.slice.bind(large);
    Object.defineProperty(large, 'slice', {
      value: (...range: Parameters<typeof slice>) => {
        const part = slice(...range);
        const read = part.arrayBuffer.bind(part);
        // The one that is sent is never read by the page.
        part.arrayBuffer = () => {
          sizes.push(part.size);
          return read();
        };
        return part;
      },
    });
    // Its checksum by the test would read it whole.
    await world.uploader.add([large]);
    Object.defineProperty(large, 'arrayBuffer', {
      value: () => Promise.reject(new RangeError('as a whole')),
    });
    await world.uploader.done();
    expect(world.statuses()).toEqual(all(1));
    expect(sizes.length).toBeGreaterThan(32);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(4 * 1024 * 1024);
    await world.verify();
  });

  it.each([
    ['255 bytes', `${'ä'.repeat(125)}x.jpg`],
    ['emoji', '👩‍👩‍👧‍👦 holiday 🏖️.jpg'],
    ['a turn of direction', 'صورة ‮gpj.exe'],
    ['decomposed letters', 'Cafe\u0301.jpg'],
    ['a reserved name', 'CON'],
    ['a line break', 'two\nlines.jpg'],
    ['quotes and dots', '..\\"%2e%2e".jpg'],
  ])('51: a name with %s comes back as it was', async (_, name) => {
    const world = await createFaultWorld();
    await world.upload([photo(name)]);
    expect(world.statuses()).toEqual(all(1));
    const [asset] = (await world.server.state()).assets;
    expect(asset?.filename).toBe(name);
    expect(asset?.key).toMatch(/^originals\/[0-9a-f-]{36}$/);
    await world.verify();
  });

  it('51: a path keeps its folders and counts as one in either Unicode form', async () => {
    const world = await createFaultWorld();
    const [composed, decomposed] = ['Caf\u00e9', 'Cafe\u0301'].map((folder) => {
      const file = new File(['the same'], 'a.jpg', { type: 'image/jpeg', lastModified: 1 });
      Object.defineProperty(file, 'webkitRelativePath', { value: `${folder}/CON/a.jpg` });
      return file;
    });
    if (!composed || !decomposed) throw new Error('no files');
    await world.upload([composed, decomposed]);
    expect(world.statuses()).toEqual(all(1));
    expect((await world.server.state()).assets).toMatchObject([
      { filename: 'a.jpg', path: 'Caf\u00e9/CON/a.jpg' },
    ]);
    await world.verify();
  });

  it('52: a folder of 250 files arrives whole, and a subfolder that cannot be read is reported', async () => {
    const world = await createFaultWorld();
    const denied = new DOMException('denied', 'NotReadableError');
    const files = photos(250, 200).map((file) => fileEntry(`/trip/${file.name}`, file));
    const inner = folderEntry('/trip/inner', [fileEntry('/trip/inner/z.jpg', photo('z.jpg'))]);
    const secret = folderEntry('/trip/secret', denied);
    await world.uploader.add(dropOf([folderEntry('/trip', [...files, secret, inner])]));
    await world.uploader.done();
    expect(world.uploader.failures()).toMatchObject([
      { path: 'trip/secret', status: 'rejected', failure: { code: 'file_unreadable' } },
    ]);
    const { assets } = await world.server.state();
    expect(assets).toHaveLength(251);
    expect(assets.map(({ path }) => path)).toContain('trip/inner/z.jpg');
    await world.verify();
  });

  it('53: a hasher that breaks now and then is asked again, and no file is lost', async () => {
    let calls = 0;
    const world = await createFaultWorld({
      uploader: {
        hasher: {
          hash(file, signal) {
            calls += 1;
            if (calls % 3 === 0) return Promise.reject(new Error('the worker is gone'));
            return subtleHasher.hash(file, signal);
          },
        },
      },
    });
    await world.upload(photos(12));
    expect(world.statuses()).toEqual(all(12));
    await world.verify();
  });
});
