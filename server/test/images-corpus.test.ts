import sharp from 'sharp';
import { describe, expect, it, vi } from 'vitest';
import { createDecoderPool } from '../src/images/decoder-pool.ts';
import { renderImage } from '../src/images/render-image.ts';
import { makeBombs } from './fixtures/bombs.ts';
import { DISGUISED_FILES } from './fixtures/disguised-files.ts';
import { photo } from './fixtures/images.ts';

vi.setConfig({ testTimeout: 30_000 });

describe('files that call themselves images', () => {
  it('are more than thirty', () => {
    expect(new Set(DISGUISED_FILES.map(([name]) => name)).size).toBeGreaterThanOrEqual(30);
  });

  it.each(DISGUISED_FILES)('%s becomes nothing that could be served (T3)', async (_name, bytes) => {
    await expect(renderImage(bytes)).rejects.toMatchObject({
      name: 'ImageError',
      code: expect.stringMatching(/^(?:not_an_image|svg_refused|undecodable)$/),
      isTransient: false,
    });
  });

  it('are told by their bytes where they are images of another kind (58)', async () => {
    const png = await photo(1).png().toBuffer();
    expect(await renderImage(png)).toMatchObject({ mimeType: 'image/png' });
  });
});

describe('a decompression bomb', () => {
  it('is refused by its header, at once and with little memory; the next image is not affected (T4)', async () => {
    const signal = new AbortController().signal;
    const pool = createDecoderPool({ size: 1, maxRssBytes: 400e6 });
    try {
      const good = await photo(1).jpeg().toBuffer();
      await pool.render(good, signal);
      for (const [format, bytes] of await makeBombs()) {
        expect(bytes.length, format).toBeLessThan(100_000);
        const times: number[] = [];
        for (let i = 0; i < 3; i++) {
          const startedAt = performance.now();
          // Above 400 MB the child would be killed, and the code another one.
          await expect(pool.render(bytes, signal), format).rejects.toMatchObject({
            code: 'too_many_pixels',
          });
          times.push(performance.now() - startedAt);
        }
        // Of three: a busy machine delays one, and decoding would take seconds each time.
        expect(Math.min(...times), format).toBeLessThan(200);
        expect(await pool.render(good, signal)).toMatchObject({ width: 320, height: 240 });
      }
    } finally {
      await pool.close();
    }
  });
});

const PAYLOAD = '<script>alert("payload")</script>';

describe('a polyglot', () => {
  it.each([
    ['HTML in a JPEG comment', 'comment'],
    ['HTML behind a JPEG', 'behind'],
    ['a ZIP behind a GIF (GIFAR)', 'gifar'],
    ['HTML in the EXIF', 'exif'],
  ])('%s leaves no byte of its payload in what is served (T5)', async (_what, how) => {
    const bytes = await polyglot(how);
    expect(bytes.includes(PAYLOAD)).toBe(true);
    const { main, thumbnail } = await renderImage(bytes);
    for (const derivative of [main, thumbnail]) {
      const text = Buffer.from(derivative.bytes).toString('latin1');
      expect(text).not.toContain(PAYLOAD);
      for (const trace of ['<script', 'PK\x03\x04']) expect(text).not.toContain(trace);
    }
  });
});

async function polyglot(how: string): Promise<Buffer> {
  const jpeg = await photo(2, 64, 64).jpeg().toBuffer();
  const payload = Buffer.from(PAYLOAD);
  if (how === 'behind') return Buffer.concat([jpeg, payload]);
  if (how === 'gifar') {
    const gif = await photo(3, 64, 64).gif().toBuffer();
    return Buffer.concat([gif, Buffer.from('PK\x03\x04', 'latin1'), payload]);
  }
  if (how === 'exif') {
    return photo(2, 64, 64)
      .withExif({ IFD0: { ImageDescription: PAYLOAD } })
      .jpeg()
      .toBuffer();
  }
  const comment = Buffer.from([0xff, 0xfe, 0, payload.length + 2]);
  return Buffer.concat([jpeg.subarray(0, 2), comment, payload, jpeg.subarray(2)]);
}

it('a position in the EXIF is in no derivative (T6)', async () => {
  const bytes = await photo(4, 64, 64)
    .withExif({ IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '51/1 30/1 0/1' } })
    .jpeg()
    .toBuffer();
  expect((await sharp(bytes).metadata()).exif?.length).toBeGreaterThan(0);
  const { main, thumbnail } = await renderImage(bytes);
  for (const derivative of [main, thumbnail]) {
    const { exif, xmp, iptc } = await sharp(derivative.bytes).metadata();
    expect([exif, xmp, iptc]).toEqual([undefined, undefined, undefined]);
  }
});
