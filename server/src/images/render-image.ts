import { decodeHeic, tooManyPixels } from './decode-heic.ts';
import { sharp } from './image-engine.ts';
import { toImageError } from './image-error.ts';
import { sniffImageType } from './image-type.ts';
import { withPngProfile } from './png-profile.ts';

/** Bounds of the work on one image. */
export interface RenderLimits {
  /**
   * Most pixels of the original. Default 100 million: every camera up to a 100-megapixel back, and
   * at most some 400 MB when a format forces a full decode. A header alone decides.
   */
  maxPixels: number;
  /**
   * Most pixels of a HEIC picture. Default 50 million, what the largest phone cameras take: every
   * pixel of it is decoded, and held three times over.
   */
  maxHeicPixels: number;
  /** Longest edge of the main image, in pixels. Default 1600: fills a laptop screen. */
  mainEdge: number;
  /** Longest edge of the thumbnail, in pixels. Default 256. */
  thumbnailEdge: number;
  /**
   * Seconds one decode may take. Default 60. libvips checks it between tiles, so it is a soft
   * bound (3.8 s were measured for a limit of 1 s).
   */
  timeoutSeconds: number;
}

export const DEFAULT_RENDER_LIMITS: Readonly<RenderLimits> = Object.freeze({
  maxPixels: 100_000_000,
  maxHeicPixels: 50_000_000,
  mainEdge: 1600,
  thumbnailEdge: 256,
  timeoutSeconds: 60,
});

export interface RenderedImage {
  /** Pixels of the original, after auto-orientation. */
  width: number;
  height: number;
  /** MIME type of the original, by its bytes. */
  mimeType: string;
  /** JPEG (quality 80), or WebP (quality 80) when some pixel is transparent. sRGB, no metadata. */
  main: { bytes: Uint8Array; contentType: 'image/jpeg' | 'image/webp' };
  thumbnail: { bytes: Uint8Array; contentType: 'image/webp' };
}

interface RawImage {
  data: Buffer;
  info: { width: number; height: number; channels: 1 | 2 | 3 | 4 };
}

/**
 * Makes the two derivatives that people are shown, from one decode: the main image is resized from
 * the original, the thumbnail from the main image's pixels (the fastest of the three ways measured).
 * Orientation is applied, colours become sRGB, and all metadata (GPS too) is left behind. Of an
 * animation, the first frame is taken.
 *
 * JPEG is written by libjpeg-turbo without mozjpeg's search, which takes several times as long for
 * some 10 % fewer bytes. Transparency goes to WebP: PNG would be many times the size.
 *
 * Throws `ImageError`; when `signal` aborts, its reason, at the next step (a step itself cannot be
 * interrupted).
 */
export async function renderImage(
  bytes: Uint8Array,
  limits: Partial<RenderLimits> = {},
  signal?: AbortSignal,
): Promise<RenderedImage> {
  const bounds = { ...DEFAULT_RENDER_LIMITS, ...limits };
  signal?.throwIfAborted();
  const sniffed = await sniffImageType(bytes);
  const { profile, ...header } = await readHeader(bytes, sniffed, bounds);
  signal?.throwIfAborted();
  try {
    const raw = dropOpaqueAlpha(
      isHeic(header.mimeType)
        ? await decodeHeicTo(bytes, bounds, profile)
        : await decode(bytes, bounds),
    );
    signal?.throwIfAborted();
    const main = await encodeMain(raw);
    signal?.throwIfAborted();
    const thumbnail = await encodeThumbnail(raw, bounds.thumbnailEdge);
    return { ...header, main, thumbnail: { bytes: thumbnail, contentType: 'image/webp' } };
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw toImageError(error);
  }
}

interface Header {
  width: number;
  height: number;
  mimeType: string;
  /** ICC profile of a HEIC picture, which its decoder leaves out. */
  profile?: Uint8Array;
}

/** Reads the header only, so that a bomb is refused before a single pixel is decoded. */
async function readHeader(
  bytes: Uint8Array,
  sniffed: string,
  bounds: RenderLimits,
): Promise<Header> {
  const metadata = await sharp(bytes, { limitInputPixels: false, failOn: 'none' })
    .metadata()
    .catch((error: unknown) => {
      throw toImageError(error);
    });
  // HEIC and AVIF share the container: what is inside decides, not the brand.
  const mimeType = typeOf(sniffed, metadata.compression);
  const maxPixels = isHeic(mimeType) ? bounds.maxHeicPixels : bounds.maxPixels;
  // Of HEIC, what the container says: it was turned by that already, and EXIF does not count.
  const size = isHeic(mimeType) ? metadata : metadata.autoOrient;
  if (size.width * size.height > maxPixels) throw tooManyPixels(size, maxPixels);
  const header = { width: size.width, height: size.height, mimeType };
  return isHeic(mimeType) && metadata.icc ? { ...header, profile: metadata.icc } : header;
}

function typeOf(sniffed: string, compression: string | undefined): string {
  if (compression === 'av1') return 'image/avif';
  if (compression === 'hevc') return sniffed === 'image/heif' ? sniffed : 'image/heic';
  return sniffed;
}

function isHeic(mimeType: string): boolean {
  return mimeType === 'image/heic' || mimeType === 'image/heif';
}

/**
 * `failOn: 'warning'`: with `error`, libvips accepts a JPEG with 3 KB overwritten in its middle;
 * what would be shown is then not what was uploaded.
 */
async function decode(bytes: Uint8Array, bounds: RenderLimits): Promise<RawImage> {
  return sharp(bytes, { limitInputPixels: bounds.maxPixels, failOn: 'warning' })
    .autoOrient()
    .resize({
      width: bounds.mainEdge,
      height: bounds.mainEdge,
      fit: 'inside',
      withoutEnlargement: true,
    })
    .toColourspace('srgb')
    .timeout({ seconds: bounds.timeoutSeconds })
    .raw()
    .toBuffer({ resolveWithObject: true });
}

/** Turned by its decoder already. Resized first: the profile is then applied to few pixels. */
async function decodeHeicTo(
  bytes: Uint8Array,
  bounds: RenderLimits,
  profile: Uint8Array | undefined,
): Promise<RawImage> {
  const { data, width, height } = await decodeHeic(bytes, bounds.maxHeicPixels);
  const resized = sharp(data, { raw: { width, height, channels: 4 } })
    .resize({
      width: bounds.mainEdge,
      height: bounds.mainEdge,
      fit: 'inside',
      withoutEnlargement: true,
    })
    .timeout({ seconds: bounds.timeoutSeconds });
  if (!profile) return resized.raw().toBuffer({ resolveWithObject: true });
  const png = await resized.png({ compressionLevel: 0 }).toBuffer();
  return sharp(withPngProfile(png, profile))
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
}

/** Many PNGs carry an alpha channel that says "opaque" everywhere; they are photos, so JPEG. */
function dropOpaqueAlpha(raw: RawImage): RawImage {
  const { channels, width, height } = raw.info;
  if (channels !== 4) return raw;
  const { data } = raw;
  for (let i = 3; i < data.length; i += 4) if (data[i] !== 255) return raw;
  const opaque = Buffer.allocUnsafe(width * height * 3);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    opaque[to] = data[from] ?? 0;
    opaque[to + 1] = data[from + 1] ?? 0;
    opaque[to + 2] = data[from + 2] ?? 0;
  }
  return { data: opaque, info: { width, height, channels: 3 } };
}

async function encodeMain(raw: RawImage): Promise<RenderedImage['main']> {
  const hasAlpha = raw.info.channels === 2 || raw.info.channels === 4;
  const image = sharp(raw.data, { raw: raw.info });
  return hasAlpha
    ? { bytes: await image.webp({ quality: 80, effort: 2 }).toBuffer(), contentType: 'image/webp' }
    : { bytes: await image.jpeg({ quality: 80 }).toBuffer(), contentType: 'image/jpeg' };
}

function encodeThumbnail(raw: RawImage, edge: number): Promise<Buffer> {
  return sharp(raw.data, { raw: raw.info })
    .resize({ width: edge, height: edge, fit: 'inside', withoutEnlargement: true })
    .webp({ quality: 75, effort: 2 })
    .toBuffer();
}
