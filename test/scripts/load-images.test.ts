import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createImage, type ImageFormat } from '../../bench/load/image.ts';
import { IMAGE_SIZES, openImageSet } from '../../bench/load/image-set.ts';

describe('the images of a load run', () => {
  let cacheDir: string;
  beforeEach(async () => {
    cacheDir = await mkdtemp(path.join(tmpdir(), 'bulkhead-images-'));
  });
  afterEach(() => rm(cacheDir, { recursive: true }));

  it('are the same for the same seed, and others for another', async () => {
    const make = (seed: number, name: string) =>
      openImageSet({ files: 12, size: '256k', seed, cacheDir: path.join(cacheDir, name) });
    const [first, again, other] = [await make(1, 'a'), await make(1, 'b'), await make(2, 'c')];
    expect(again.files).toEqual(first.files);
    const checksums = new Set([...first.files, ...other.files].map(({ checksum }) => checksum));
    expect(checksums.size).toBe(24);
  });

  it('lie in folders, exactly as the set describes them', async () => {
    const set = await openImageSet({ files: 12, size: '256k', seed: 1, cacheDir });
    const found = await readdir(set.dir, { recursive: true, withFileTypes: true });
    expect(found.filter((entry) => entry.isFile())).toHaveLength(12);
    for (const file of set.files) {
      const bytes = await readFile(path.join(set.dir, file.path));
      expect(bytes.byteLength).toBe(file.sizeBytes);
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(file.checksum);
      expect(path.dirname(file.path)).not.toBe('.');
    }
  });

  it('are of about the size that was asked for, in three formats, some turned by EXIF', async () => {
    const set = await openImageSet({ files: 60, size: '256k', seed: 1, cacheDir });
    const formats: Record<string, number> = {};
    let turned = 0;
    for (const { path: name, sizeBytes } of set.files) {
      expect(sizeBytes / IMAGE_SIZES['256k'], name).toBeGreaterThan(0.8);
      expect(sizeBytes / IMAGE_SIZES['256k'], name).toBeLessThan(1.2);
      const { format, orientation } = await sharp(path.join(set.dir, name)).metadata();
      formats[format] = (formats[format] ?? 0) + 1;
      if ((orientation ?? 1) > 1) turned += 1;
    }
    expect(Object.keys(formats).sort()).toEqual(['jpeg', 'png', 'webp']);
    expect(formats.jpeg).toBeGreaterThan(40);
    expect(turned).toBeGreaterThan(5);
  });

  it('are made once: a set that is complete is taken as it is, an incomplete one made anew', async () => {
    const options = { files: 4, size: '256k', seed: 1, cacheDir } as const;
    const set = await openImageSet(options);
    expect(set.isCached).toBe(false);
    expect(await openImageSet(options)).toEqual({ ...set, isCached: true });
    await rm(path.join(set.dir, '..', 'manifest.json'));
    expect(await openImageSet(options)).toEqual(set);
  });

  it.each<ImageFormat>(['jpeg', 'png', 'webp'])(
    'decode as %s without a warning',
    async (format) => {
      const bytes = await createImage({
        seed: 3,
        index: 7,
        format,
        pixels: 50_000,
        orientation: 6,
      });
      await expect(sharp(bytes, { failOn: 'warning' }).stats()).resolves.toBeDefined();
    },
  );
});
