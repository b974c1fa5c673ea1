import { sharp } from '../images/image-engine.ts';
import { toImageError } from '../images/image-error.ts';
import { type Embedder, EmbeddingError } from './embedder.ts';
import { FEATURE_COUNT, FEATURE_EDGE, visualFeatures } from './visual-features.ts';

/**
 * The default embedder: works offline, needs no model weights, costs about 3 ms an image. Finds near
 * duplicates and pictures of like composition and colours; knows nothing of what they mean, so words
 * cannot be searched with it. Deterministic: the same bytes give the same vector on every machine
 * with the same libvips.
 */
export function createLocalVisualEmbedder(): Embedder {
  return {
    model: 'local-visual-v1',
    dimensions: FEATURE_COUNT,
    async embed(image, signal) {
      signal.throwIfAborted();
      const rgb = await decodeSquare(image);
      signal.throwIfAborted();
      return visualFeatures(rgb);
    },
  };
}

/** Squeezed to a square, on white where transparent: composition survives, proportions need not. */
async function decodeSquare(image: Uint8Array): Promise<Uint8Array> {
  try {
    return await sharp(image, { failOn: 'warning' })
      .resize({ width: FEATURE_EDGE, height: FEATURE_EDGE, fit: 'fill', kernel: 'cubic' })
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb')
      .raw()
      .toBuffer();
  } catch (error) {
    const cause = toImageError(error);
    throw new EmbeddingError(cause.message, cause.isTransient ? 'transient' : 'permanent', {
      cause,
    });
  }
}
