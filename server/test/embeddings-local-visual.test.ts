import sharp, { type Sharp } from 'sharp';
import { describe, expect, it, vi } from 'vitest';
import { createLocalVisualEmbedder } from '../src/embeddings/local-visual.ts';
import { FEATURE_COUNT, visualFeatures } from '../src/embeddings/visual-features.ts';
import { renderImage } from '../src/images/render-image.ts';
import { photo } from './fixtures/images.ts';

// Pixel work in JavaScript; on a busy machine it takes several times the usual second.
vi.setConfig({ testTimeout: 30_000 });

const embedder = createLocalVisualEmbedder();
const idle = new AbortController().signal;

async function embed(image: Sharp): Promise<Float32Array> {
  const { thumbnail } = await renderImage(await image.jpeg({ quality: 92 }).toBuffer());
  return embedder.embed(thumbnail.bytes, idle);
}

function cosine(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
}

const png = (image: Sharp) => image.png().toBuffer();

describe('createLocalVisualEmbedder', () => {
  it('gives 392 finite numbers of length 1', async () => {
    const vector = await embed(photo(1, 400, 300));
    expect(embedder).toMatchObject({ model: 'local-visual-v1', dimensions: 392 });
    expect(FEATURE_COUNT).toBe(392);
    expect(vector).toBeInstanceOf(Float32Array);
    expect(vector).toHaveLength(392);
    expect(vector.every(Number.isFinite)).toBe(true);
    expect(cosine(vector, vector)).toBeCloseTo(1, 5);
  });

  it('is deterministic', async () => {
    expect(await embed(photo(2))).toEqual(await embed(photo(2)));
  });

  it('finds a recompressed, smaller, brighter or slightly cropped copy nearer than another picture', async () => {
    for (const seed of [3, 4, 5]) {
      const original = await png(photo(seed, 600, 450));
      const base = await embed(sharp(original));
      const small = await sharp(original).resize(300).jpeg({ quality: 40 }).toBuffer();
      const cropped = { left: 12, top: 9, width: 576, height: 432 };
      const likeness = {
        recompressed: cosine(base, await embed(sharp(small))),
        brighter: cosine(base, await embed(sharp(original).modulate({ brightness: 1.15 }))),
        cropped: cosine(base, await embed(sharp(original).extract(cropped))),
        other: cosine(base, await embed(photo(seed + 100, 600, 450))),
      };
      expect(likeness.recompressed).toBeGreaterThanOrEqual(0.98);
      expect(likeness.brighter).toBeGreaterThanOrEqual(0.95);
      expect(likeness.cropped).toBeGreaterThanOrEqual(0.9);
      expect(likeness.other).toBeLessThan(0.9);
    }
  });

  it('embeds uniform, transparent and one-pixel pictures too', async () => {
    for (const background of ['#000000', '#ffffff', '#7f7f7f', { r: 9, g: 9, b: 9, alpha: 0 }]) {
      const create = { width: 1, height: 1, channels: 4, background } as const;
      const vector = await embedder.embed(await sharp({ create }).webp().toBuffer(), idle);
      expect(vector.every(Number.isFinite)).toBe(true);
      expect(cosine(vector, vector)).toBeCloseTo(1, 5);
    }
  });

  it('fails for good on bytes that are no image', async () => {
    await expect(embedder.embed(Buffer.from('no image'), idle)).rejects.toMatchObject({
      name: 'EmbeddingError',
      kind: 'permanent',
    });
  });

  it('does nothing once aborted', async () => {
    const aborted = AbortSignal.abort(new Error('lease lost'));
    await expect(embedder.embed(Buffer.alloc(0), aborted)).rejects.toThrow('lease lost');
  });

  it('prints its speed', async () => {
    const { thumbnail } = await renderImage(await photo(6, 400, 300).jpeg().toBuffer());
    const count = 100;
    const startedAt = performance.now();
    for (let i = 0; i < count; i++) await embedder.embed(thumbnail.bytes, idle);
    const perSecond = (count * 1000) / (performance.now() - startedAt);
    console.log(`local-visual-v1: ${perSecond.toFixed(0)} embeddings/s, one at a time`);
    expect(perSecond).toBeGreaterThan(0);
  });
});

describe('visualFeatures', () => {
  it('refuses anything but 64 × 64 RGB', () => {
    expect(() => visualFeatures(new Uint8Array(100))).toThrow(RangeError);
  });
});
