import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import sharp from 'sharp';
import { createImage } from '../../bench/load/image.ts';

/** Photo-like images, distinct and always the same, under these paths of `dir`. */
export async function writePhotos(dir: string, names: readonly string[]): Promise<string[]> {
  const paths: string[] = [];
  for (const [index, name] of names.entries()) {
    const file = path.join(dir, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, await createImage({ seed: 7, index, format: 'jpeg', pixels: 120_000 }));
    paths.push(file);
  }
  return paths;
}

/** The same picture in other bytes: smaller, and compressed harder. */
export async function writeLookAlike(original: string, copy: string): Promise<void> {
  await sharp(original).resize({ width: 300 }).jpeg({ quality: 60 }).toFile(copy);
}

/** A valid PNG of more than 32 MB: noise does not compress. */
export async function writeLargePng(file: string): Promise<void> {
  const width = 3400;
  const height = 3400;
  const pixels = Buffer.alloc(width * height * 3);
  let block = createHash('sha256').update('bulkhead').digest();
  for (let at = 0; at < pixels.length; at += 4096) {
    if (at % 65_536 === 0) block = createHash('sha512').update(block).digest();
    for (let part = at; part < Math.min(at + 4096, pixels.length); part += block.length) {
      block.copy(pixels, part);
    }
  }
  await sharp(pixels, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 0 })
    .toFile(file);
}
