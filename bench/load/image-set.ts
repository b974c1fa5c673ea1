import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createImage, createRandom, type ImageDescription, type ImageFormat } from './image.ts';
import { nameImage } from './image-names.ts';

/** Bytes of one image, about: each is within 20 % of it. */
export const IMAGE_SIZES = {
  '256k': 256 * 1024,
  '1m': 1024 ** 2,
  '5m': 5 * 1024 ** 2,
  '10m': 10 * 1024 ** 2,
} as const;

export type ImageSize = keyof typeof IMAGE_SIZES;
/** `mixed`: mostly small ones, as libraries are. */
export type ImageSetSize = ImageSize | 'mixed';

const MIX: readonly ImageSize[] = [
  '256k',
  '256k',
  '256k',
  '256k',
  '1m',
  '1m',
  '1m',
  '5m',
  '5m',
  '10m',
];

/** Grows when the same parameters give other bytes, so that no older set is taken for a new one. */
const GENERATOR_VERSION = 1;

/** Encoding runs on libuv's threads while the next image is painted; more in flight gain nothing. */
const PARALLEL_IMAGES = 4;

/** First guess of bytes a pixel; measured before the set is made. */
const BYTES_PER_PIXEL = { jpeg: 0.29, png: 2.1, webp: 0.72 } as const;

export interface ImageSetOptions {
  readonly files: number;
  readonly size: ImageSetSize;
  readonly seed: number;
  /** The folder that holds the sets. */
  readonly cacheDir: string;
  /** Called now and then while a new set is made. */
  readonly onProgress?: (made: number) => void;
}

export interface ImageFile {
  /** Below the set's folder, `/` between the parts. */
  readonly path: string;
  readonly sizeBytes: number;
  /** SHA-256 in hex. */
  readonly checksum: string;
}

export interface ImageSet {
  /** Holds the images and nothing else. */
  readonly dir: string;
  readonly files: readonly ImageFile[];
  readonly totalBytes: number;
  /** Whether an earlier run had made it. */
  readonly isCached: boolean;
}

/** The disk has no room for the set. */
export class DiskSpaceError extends Error {
  override readonly name = 'DiskSpaceError';
}

/**
 * The images of a load run, on disk. Deterministic: the same seed, count and size give the same
 * bytes and names. A set is made once and then found again; one that was interrupted is made anew.
 */
export async function openImageSet(options: ImageSetOptions): Promise<ImageSet> {
  const name = `v${GENERATOR_VERSION}-seed${options.seed}-${options.files}x${options.size}`;
  const home = path.join(options.cacheDir, name);
  const manifest = path.join(home, 'manifest.json');
  const dir = path.join(home, 'images');
  if (existsSync(manifest)) {
    return describeSet(dir, JSON.parse(await readFile(manifest, 'utf8')), true);
  }
  await rm(home, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  const descriptions = await describeImages(options);
  await assertRoom(options, home);
  const files = await writeImages(dir, descriptions, options.onProgress);
  // Under its name only when complete: this is what says that the set is whole.
  await writeFile(`${manifest}.part`, JSON.stringify(files));
  await rename(`${manifest}.part`, manifest);
  return describeSet(dir, files, false);
}

function describeSet(dir: string, files: readonly ImageFile[], isCached: boolean): ImageSet {
  const totalBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return { dir, files, totalBytes, isCached };
}

interface PlannedImage extends ImageDescription {
  readonly path: string;
}

/** Eight in ten JPEG (a third of them turned by EXIF), one PNG, one WebP. */
async function describeImages(options: ImageSetOptions): Promise<PlannedImage[]> {
  const pixelsOf = new Map<string, number>();
  const planned: PlannedImage[] = [];
  for (let index = 0; index < options.files; index++) {
    // Apart from the numbers that paint the image.
    const random = createRandom(options.seed ^ 0x5f3759df, index);
    const kind = Math.floor(random() * 10);
    const format: ImageFormat = kind === 0 ? 'png' : kind === 1 ? 'webp' : 'jpeg';
    const size =
      options.size === 'mixed' ? (MIX[Math.floor(random() * MIX.length)] ?? '1m') : options.size;
    const key = `${format} ${size}`;
    let pixels = pixelsOf.get(key);
    if (pixels === undefined) {
      pixels = await calibrate(format, IMAGE_SIZES[size]);
      pixelsOf.set(key, pixels);
    }
    const orientation = format === 'jpeg' && random() < 1 / 3 ? 2 + Math.floor(random() * 7) : 1;
    const name = nameImage(index, format, random);
    planned.push({ seed: options.seed, index, format, pixels, orientation, path: name });
  }
  return planned;
}

/**
 * How many pixels give the size. Bytes are very nearly proportional to pixels: four samples at a
 * tenth of the size bring it close, four more (two large ones) correct the rest.
 */
async function calibrate(format: ImageFormat, sizeBytes: number): Promise<number> {
  let pixels = sizeBytes / BYTES_PER_PIXEL[format];
  const rounds = [
    { part: 0.1, samples: 4 },
    { part: 1, samples: sizeBytes > 1024 ** 2 ? 2 : 4 },
  ];
  for (const { part, samples } of rounds) {
    let bytes = 0;
    for (let index = 0; index < samples; index++) {
      const sample = await createImage({ seed: 0, index, format, pixels: pixels * part });
      bytes += sample.byteLength;
    }
    pixels *= (sizeBytes * part * samples) / bytes;
  }
  return Math.round(pixels);
}

async function assertRoom(options: ImageSetOptions, home: string): Promise<void> {
  const average =
    options.size === 'mixed'
      ? MIX.reduce((sum, size) => sum + IMAGE_SIZES[size], 0) / MIX.length
      : IMAGE_SIZES[options.size];
  // Once for the set, once for the store of the run, and a half for derivatives and the database.
  const neededBytes = options.files * average * 2.5;
  const { bavail, bsize } = await statfs(home);
  if (bavail * bsize < neededBytes) {
    throw new DiskSpaceError(
      `${options.files} × ${options.size} need about ${gigabytes(neededBytes)} of disk, ` +
        `${gigabytes(bavail * bsize)} are free at ${options.cacheDir}`,
    );
  }
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

async function writeImages(
  dir: string,
  planned: readonly PlannedImage[],
  onProgress?: (made: number) => void,
): Promise<ImageFile[]> {
  const folders = new Set(planned.map((image) => path.dirname(path.join(dir, image.path))));
  for (const folder of folders) await mkdir(folder, { recursive: true });

  const files = new Array<ImageFile>(planned.length);
  let [next, made] = [0, 0];
  const work = async () => {
    for (let at = next++; at < planned.length; at = next++) {
      const image = planned[at] as PlannedImage;
      const bytes = await createImage(image);
      await writeFile(path.join(dir, image.path), bytes);
      const checksum = createHash('sha256').update(bytes).digest('hex');
      files[at] = { path: image.path, sizeBytes: bytes.byteLength, checksum };
      onProgress?.(++made);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_IMAGES }, work));
  return files;
}
