import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it, vi } from 'vitest';
import { renderImage } from '../src/images/render-image.ts';
import { validateFile } from '../src/uploads/validate-file.ts';

// WebAssembly of 9 MB is compiled at the first picture.
vi.setConfig({ testTimeout: 30_000 });

const fixture = (name: string) => readFile(join(import.meta.dirname, 'fixtures/images', name));

async function colourAt(image: Uint8Array, left: number, top: number): Promise<number[]> {
  const region = { left, top, width: 1, height: 1 };
  return [...(await sharp(image).extract(region).raw().toBuffer())];
}

function expectColour(actual: number[], expected: number[]): void {
  for (const [i, value] of expected.entries()) {
    expect(Math.abs((actual[i] ?? 0) - value), `${actual} is not ${expected}`).toBeLessThan(16);
  }
}

describe('a HEIC picture', () => {
  it('is turned once, as its container says, and keeps no metadata', async () => {
    const rendered = await renderImage(await fixture('turned.heic'));
    expect(rendered).toMatchObject({ width: 160, height: 320, mimeType: 'image/heic' });
    expect(rendered.main.contentType).toBe('image/jpeg');
    const main = rendered.main.bytes;
    expectColour(await colourAt(main, 150, 160), [0, 200, 0]);
    expectColour(await colourAt(main, 40, 40), [220, 20, 20]);
    expectColour(await colourAt(main, 40, 280), [20, 20, 220]);
    for (const { bytes } of [rendered.main, rendered.thumbnail]) {
      const { exif, icc, xmp, orientation } = await sharp(bytes).metadata();
      expect([exif, icc, xmp, orientation]).toEqual(Array(4).fill(undefined));
    }
  });

  it('has its wide-gamut colours converted to sRGB', async () => {
    const rendered = await renderImage(await fixture('wide-gamut.heic'));
    expectColour(await colourAt(rendered.main.bytes, 160, 10), [0, 200, 0]);
    expectColour(await colourAt(rendered.main.bytes, 40, 120), [220, 20, 20]);
  });

  it('has a pixel limit of its own, by its header', async () => {
    const bytes = await fixture('turned.heic');
    await expect(renderImage(bytes, { maxHeicPixels: 160 * 320 - 1 })).rejects.toMatchObject({
      code: 'too_many_pixels',
    });
  });

  it('that is cut off or damaged is refused, with words', async () => {
    const whole = await fixture('turned.heic');
    const damaged = Buffer.from(whole);
    damaged.fill(0, whole.indexOf('mdat') + 8);
    for (const bytes of [whole.subarray(0, 600), whole.subarray(0, 1200), damaged]) {
      await expect(renderImage(bytes)).rejects.toMatchObject({
        code: 'undecodable',
        message: expect.stringMatching(/damaged or incomplete|cannot be decoded/),
      });
    }
  });

  it.each([
    ['IMG_1.HEIC', '', 'image/heic'],
    ['IMG_1.heic', 'image/heic', 'image/heic'],
    ['a.heif', 'application/octet-stream', 'image/heif'],
    ['a.hif', 'image/heif', 'image/heif'],
  ])('named %s of type "%s" is taken', (filename, mimeType, contentType) => {
    expect(validateFile({ filename, mimeType, size: 5 }, 10)).toEqual({ ok: true, contentType });
  });
});
