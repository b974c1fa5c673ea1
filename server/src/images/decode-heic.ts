import { ImageError } from './image-error.ts';

/** RGBA pixels, 8 bits a channel. */
export interface HeicPixels {
  data: Buffer;
  width: number;
  height: number;
}

/**
 * Decodes a HEIC picture, which sharp's own libheif cannot (HEVC is patented, so prebuilt binaries leave
 * it out). libheif as WebAssembly is loaded at the first such picture: 9 MB that most servers never
 * need. It turns the picture as the container says; the EXIF orientation beside it must not be applied.
 *
 * Blocks the thread while it decodes (1 s for 12 megapixels), so it belongs in a decoder child.
 * Throws `ImageError` `undecodable`.
 */
export async function decodeHeic(bytes: Uint8Array, maxPixels: number): Promise<HeicPixels> {
  const { default: heic } = await import('heic-decode');
  let images: Awaited<ReturnType<typeof heic.all>> | undefined;
  try {
    images = await heic.all({ buffer: bytes });
    const [first] = images;
    if (!first) throw new Error('it holds no picture');
    // What the decoder will make, which need not be what another parser read in the same header.
    if (first.width * first.height > maxPixels) throw tooManyPixels(first, maxPixels);
    const { data, width, height } = await first.decode();
    return { data: Buffer.from(data.buffer, data.byteOffset, data.byteLength), width, height };
  } catch (error) {
    if (error instanceof ImageError) throw error;
    const detail = error instanceof Error ? error.message : String(error);
    throw new ImageError(
      'undecodable',
      `The HEIC picture cannot be decoded: ${detail}. Save it as JPEG or WebP`,
      { cause: error },
    );
  } finally {
    images?.dispose();
  }
}

/** @param size pixels of the original */
export function tooManyPixels(
  size: { width: number; height: number },
  maxPixels: number,
): ImageError {
  return new ImageError(
    'too_many_pixels',
    `The image has ${size.width} × ${size.height} pixels; at most ${maxPixels / 1e6} million are taken`,
  );
}
