import sharp from 'sharp';
import { describe, expect, it, vi } from 'vitest';
import { toImageError } from '../src/images/image-error.ts';
import { sniffImageType } from '../src/images/image-type.ts';
import { type RenderedImage, renderImage } from '../src/images/render-image.ts';
import { animatedGif, photo, pngBomb, SVG } from './fixtures/images.ts';

// Pixel work; on a busy machine it takes several times the usual fraction of a second.
vi.setConfig({ testTimeout: 30_000 });

async function shapes(rendered: RenderedImage) {
  const main = await sharp(rendered.main.bytes).metadata();
  const thumbnail = await sharp(rendered.thumbnail.bytes).metadata();
  return { main, thumbnail };
}

describe('renderImage', () => {
  it('turns a photo as its EXIF orientation says and leaves all metadata behind', async () => {
    const bytes = await photo(1, 400, 200)
      .withExif({ IFD0: { Make: 'Camera' }, IFD3: { GPSLatitudeRef: 'N' } })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer();
    expect((await sharp(bytes).metadata()).orientation).toBe(6);

    const rendered = await renderImage(bytes);

    expect(rendered).toMatchObject({ width: 200, height: 400, mimeType: 'image/jpeg' });
    expect(rendered.main.contentType).toBe('image/jpeg');
    const { main, thumbnail } = await shapes(rendered);
    expect([main.width, main.height]).toEqual([200, 400]);
    expect([thumbnail.format, thumbnail.width, thumbnail.height]).toEqual(['webp', 128, 256]);
    for (const { exif, icc, xmp, iptc, orientation } of [main, thumbnail]) {
      expect([exif, icc, xmp, iptc, orientation]).toEqual(Array(5).fill(undefined));
    }
  });

  it('bounds the main image to 1600 px and never enlarges', async () => {
    const large = await renderImage(await photo(2, 300, 150).resize(2400, 1200).jpeg().toBuffer());
    expect(large).toMatchObject({ width: 2400, height: 1200 });
    const bounded = await shapes(large);
    expect([bounded.main.width, bounded.main.height]).toEqual([1600, 800]);
    expect([bounded.thumbnail.width, bounded.thumbnail.height]).toEqual([256, 128]);

    const dot = await renderImage(await photo(3, 1, 1).png().toBuffer());
    expect(dot).toMatchObject({ width: 1, height: 1, mimeType: 'image/png' });
    const tiny = await shapes(dot);
    expect([tiny.main.width, tiny.thumbnail.width]).toEqual([1, 1]);
  });

  it('keeps transparency, as WebP', async () => {
    const bytes = await photo(4).ensureAlpha(0.4).png().toBuffer();
    const rendered = await renderImage(bytes);
    expect(rendered.main.contentType).toBe('image/webp');
    const { main, thumbnail } = await shapes(rendered);
    expect([main.format, main.hasAlpha, thumbnail.hasAlpha]).toEqual(['webp', true, true]);
  });

  it('writes a PNG whose alpha says opaque everywhere as JPEG', async () => {
    const rendered = await renderImage(await photo(5).ensureAlpha(1).png().toBuffer());
    expect(rendered.main.contentType).toBe('image/jpeg');
    const { main, thumbnail } = await shapes(rendered);
    expect([main.format, thumbnail.hasAlpha]).toEqual(['jpeg', false]);
  });

  it.each([
    ['image/webp', () => photo(6).webp().toBuffer()],
    ['image/avif', () => photo(7).avif({ effort: 0 }).toBuffer()],
    ['image/png', () => photo(8).toColourspace('rgb16').png().toBuffer()],
    ['image/jpeg', () => photo(9).toColourspace('cmyk').jpeg().toBuffer()],
    ['image/png', () => photo(10).greyscale().toColourspace('b-w').png().toBuffer()],
    ['image/jpeg', () => photo(10).greyscale().jpeg({ progressive: true }).toBuffer()],
  ])('renders %s to 8-bit sRGB', async (mimeType, create) => {
    const rendered = await renderImage(await create());
    expect(rendered).toMatchObject({ width: 320, height: 240, mimeType });
    const { main } = await shapes(rendered);
    expect([main.space, main.depth, main.channels]).toEqual(['srgb', 'uchar', 3]);
  });

  it('takes the first frame of an animation', async () => {
    const rendered = await renderImage(await animatedGif(['#ff0000', '#00ff00', '#0000ff']));
    expect(rendered).toMatchObject({ width: 60, height: 40, mimeType: 'image/gif' });
    const { dominant } = await sharp(rendered.main.bytes).stats();
    expect(dominant.r).toBeGreaterThan(200);
    expect(dominant.g).toBeLessThan(50);
  });

  it('converts colours of a wide-gamut profile to sRGB', async () => {
    const create = { width: 8, height: 8, channels: 3, background: '#c03020' } as const;
    const wide = await sharp({ create }).withIccProfile('p3').png().toBuffer();
    const rendered = await renderImage(wide);
    const { channels } = await sharp(rendered.main.bytes).stats();
    expect(Math.abs((channels[0]?.mean ?? 0) - 0xc0)).toBeLessThan(6);
    expect(Math.abs((channels[1]?.mean ?? 0) - 0x30)).toBeLessThan(6);
  });

  it('refuses a truncated or overwritten JPEG instead of showing half a picture', async () => {
    const whole = await photo(11, 640, 480).jpeg().toBuffer();
    const overwritten = Buffer.from(whole);
    const middle = Math.floor(whole.length / 2);
    overwritten.fill(0xa5, middle, middle + 3000);
    for (const bytes of [whole.subarray(0, whole.length * 0.6), overwritten]) {
      await expect(renderImage(bytes)).rejects.toMatchObject({
        name: 'ImageError',
        code: 'undecodable',
        isTransient: false,
        message: expect.stringContaining('damaged or incomplete'),
      });
    }
  });

  it('refuses a bomb by its header, within milliseconds and without its memory', async () => {
    const bomb = pngBomb(30_000, 20_000);
    await renderImage(await photo(12).png().toBuffer());
    const rssBefore = process.memoryUsage().rss;
    const startedAt = performance.now();
    await expect(renderImage(bomb)).rejects.toMatchObject({
      code: 'too_many_pixels',
      message: 'The image has 30000 × 20000 pixels; at most 100 million are taken',
    });
    expect(performance.now() - startedAt).toBeLessThan(200);
    expect(process.memoryUsage().rss - rssBefore).toBeLessThan(50e6);
  });

  it('takes its pixel limit from the options', async () => {
    const bytes = await photo(13, 100, 100).png().toBuffer();
    await expect(renderImage(bytes, { maxPixels: 9999 })).rejects.toMatchObject({
      code: 'too_many_pixels',
    });
    expect(await renderImage(bytes, { maxPixels: 10_000 })).toMatchObject({ width: 100 });
  });

  it.each([
    ['svg_refused', 'an SVG', SVG],
    ['svg_refused', 'an SVG in UTF-16', Buffer.from(`\ufeff${SVG}`, 'utf16le')],
    ['svg_refused', 'an SVG after white space', Buffer.concat([Buffer.from('\ufeff \n\t'), SVG])],
    ['not_an_image', 'HTML', Buffer.from('<!doctype html><p>hello')],
    ['not_an_image', 'a PDF', Buffer.from('%PDF-1.7\n%âãÏÓ\n1 0 obj\n')],
    ['not_an_image', 'a text file', Buffer.from('just words, no picture\n'.repeat(100))],
    ['not_an_image', 'an empty file', Buffer.alloc(0)],
    ['not_an_image', 'a ZIP', Buffer.from('PK\x03\x04'.padEnd(64, '\0'), 'latin1')],
    ['undecodable', 'a lone JPEG signature', Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16])],
    [
      'undecodable',
      'a HEIC header alone',
      Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1'),
    ],
  ])('answers %s for %s, whatever its name', async (code, _what, bytes) => {
    await expect(renderImage(bytes)).rejects.toMatchObject({ name: 'ImageError', code });
  });

  it('cannot reach the loaders of document formats', async () => {
    await expect(sharp(SVG).metadata()).rejects.toThrow('unsupported image format');
  });

  it('stops at the next step when aborted', async () => {
    const controller = new AbortController();
    const bytes = await photo(14, 160, 120).resize(1600, 1200).jpeg().toBuffer();
    const rendering = renderImage(bytes, {}, controller.signal);
    controller.abort(new Error('lease lost'));
    await expect(rendering).rejects.toThrow('lease lost');
  });
});

describe('toImageError', () => {
  it('takes a full disk or a lack of memory for transient, anything else for permanent', () => {
    const disk = Object.assign(new Error('write'), { code: 'ENOSPC' });
    expect(toImageError(disk)).toMatchObject({ isTransient: true, code: 'processing_failed' });
    const words = toImageError(new Error('write failed\nunix error: No space left on device'));
    expect(words).toMatchObject({ isTransient: true, cause: { code: 'ENOSPC' } });
    expect(toImageError(new Error('out of memory -- size == 9MB')).isTransient).toBe(true);
    expect(toImageError(new Error('VipsJpeg: Invalid SOS parameters')).isTransient).toBe(false);
  });
});

describe('sniffImageType', () => {
  it('answers the MIME type by the first bytes', async () => {
    expect(await sniffImageType(await photo(15).webp().toBuffer())).toBe('image/webp');
    const png = await photo(16).png().toBuffer();
    expect(await sniffImageType(png.subarray(0, 64))).toBe('image/png');
  });
});
