import sharp from 'sharp';

/** What the generator writes. */
export type ImageFormat = 'jpeg' | 'png' | 'webp';

/** One image: the same description gives the same bytes with the same sharp. */
export interface ImageDescription {
  readonly seed: number;
  readonly index: number;
  readonly format: ImageFormat;
  /** Pixels in all; the aspect ratio comes from the seed. */
  readonly pixels: number;
  /** EXIF orientation, 1 to 8; JPEG only. */
  readonly orientation?: number;
}

/** A seeded random number in [0, 1): mulberry32. */
export type Random = () => number;

/** The numbers of one image, told apart from those of its neighbours by `index`. */
export function createRandom(seed: number, index: number): Random {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const ASPECT_RATIOS = [4 / 3, 3 / 2, 16 / 9, 1] as const;

/** Longest side of the picture as it is painted, before it is enlarged and gets its grain. */
const CANVAS_PIXELS = 224;

const GRAIN_LENGTH = 1 << 16;
const GRAIN = makeGrain(14);

/** An image file: smooth fields of colour, soft shapes, and a camera's grain. */
export async function createImage(description: ImageDescription): Promise<Uint8Array> {
  const random = createRandom(description.seed, description.index);
  const aspect = ASPECT_RATIOS[Math.floor(random() * ASPECT_RATIOS.length)] ?? 1;
  const width = Math.max(16, Math.round(Math.sqrt(description.pixels * aspect)));
  const height = Math.max(16, Math.round(description.pixels / width));

  const canvas = paint(random, aspect);
  const pixels = develop(canvas, width, height, Math.floor(random() * GRAIN_LENGTH));
  const image = sharp(pixels, { raw: { width, height, channels: 3 } });
  switch (description.format) {
    case 'png':
      // Grain does not compress: a higher level takes longer and saves nothing.
      return image.png({ compressionLevel: 2, adaptiveFiltering: false }).toBuffer();
    case 'webp':
      // At a lower quality, 10 MB would be so many pixels that libwebp cannot encode them (its first
      // partition ends at 512 KiB).
      return image.webp({ quality: 100, effort: 0 }).toBuffer();
    case 'jpeg':
      return image
        .withMetadata({
          orientation: description.orientation ?? 1,
          exif: { IFD0: { Make: 'Bulkhead', Model: `Load ${description.seed}` } },
        })
        .jpeg({ quality: 90 })
        .toBuffer();
  }
}

interface Canvas {
  readonly width: number;
  readonly height: number;
  /** Red, green, blue of each pixel, 0 to 255. */
  readonly colours: Float32Array;
}

type Colour = readonly [red: number, green: number, blue: number];

/** Mid-tones: where grain is neither clipped to black nor to white, sizes stay predictable. */
function pickColour(random: Random): Colour {
  return [50 + random() * 155, 50 + random() * 155, 50 + random() * 155];
}

function paint(random: Random, aspect: number): Canvas {
  const width = aspect >= 1 ? CANVAS_PIXELS : Math.round(CANVAS_PIXELS * aspect);
  const height = Math.round(width / aspect);
  const colours = new Float32Array(width * height * 3);
  const canvas = { width, height, colours };
  paintGradient(canvas, pickColour(random), pickColour(random), random() * Math.PI * 2);
  const shapes = 4 + Math.floor(random() * 6);
  for (let shape = 0; shape < shapes; shape++) {
    paintEllipse(canvas, random);
  }
  return canvas;
}

function paintGradient(canvas: Canvas, from: Colour, to: Colour, angle: number): void {
  const { width, height, colours } = canvas;
  const [dx, dy] = [Math.cos(angle) / width, Math.sin(angle) / height];
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const part = Math.min(1, Math.max(0, 0.5 + (x - width / 2) * dx + (y - height / 2) * dy));
      colours[at++] = from[0] + (to[0] - from[0]) * part;
      colours[at++] = from[1] + (to[1] - from[1]) * part;
      colours[at++] = from[2] + (to[2] - from[2]) * part;
    }
  }
}

/** Some sharp-edged, some out of focus. */
function paintEllipse(canvas: Canvas, random: Random): void {
  const { width, height, colours } = canvas;
  const [red, green, blue] = pickColour(random);
  const [centreX, centreY] = [random() * width, random() * height];
  const radiusX = width * (0.05 + random() * 0.3);
  const radiusY = radiusX * (0.4 + random() * 1.2);
  const softness = 0.03 + random() ** 2;
  const opacity = 0.5 + random() * 0.5;

  const reach = 1 + softness;
  const left = Math.max(0, Math.floor(centreX - radiusX * reach));
  const right = Math.min(width, Math.ceil(centreX + radiusX * reach));
  const top = Math.max(0, Math.floor(centreY - radiusY * reach));
  const bottom = Math.min(height, Math.ceil(centreY + radiusY * reach));
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      const distance = Math.hypot((x - centreX) / radiusX, (y - centreY) / radiusY);
      const cover = opacity * Math.min(1, Math.max(0, (reach - distance) / softness));
      const at = (y * width + x) * 3;
      colours[at] = (colours[at] ?? 0) * (1 - cover) + red * cover;
      colours[at + 1] = (colours[at + 1] ?? 0) * (1 - cover) + green * cover;
      colours[at + 2] = (colours[at + 2] ?? 0) * (1 - cover) + blue * cover;
    }
  }
}

/**
 * Enlarges the canvas (bilinear) and adds the grain, in one pass: four times as fast as sharp's
 * resize, which took longer than encoding.
 */
function develop(canvas: Canvas, width: number, height: number, offset: number) {
  const pixels = new Uint8ClampedArray(width * height * 3);
  const row = new Float32Array(canvas.width * 3);
  const columns = new Int32Array(width);
  const parts = new Float32Array(width);
  for (let x = 0; x < width; x++) {
    const position = (x * (canvas.width - 1)) / width;
    columns[x] = Math.floor(position) * 3;
    parts[x] = position - Math.floor(position);
  }
  for (let y = 0, at = 0; y < height; y++) {
    blendRow(canvas, (y * (canvas.height - 1)) / height, row);
    // A multiplicative step scatters the rows over the grain, so that no pattern shows.
    let grainAt = (offset + Math.imul(y, 40_503)) & (GRAIN_LENGTH - 1);
    for (let x = 0; x < width; x++) {
      const column = columns[x] as number;
      const part = parts[x] as number;
      const grain = GRAIN[grainAt++] as number;
      const red = row[column] as number;
      const green = row[column + 1] as number;
      const blue = row[column + 2] as number;
      pixels[at++] = red + ((row[column + 3] as number) - red) * part + grain;
      pixels[at++] = green + ((row[column + 4] as number) - green) * part + grain;
      pixels[at++] = blue + ((row[column + 5] as number) - blue) * part + grain;
    }
  }
  return pixels;
}

/** The canvas at a height between two of its rows. */
function blendRow(canvas: Canvas, position: number, row: Float32Array): void {
  const above = Math.floor(position) * row.length;
  const part = position - Math.floor(position);
  for (let at = 0; at < row.length; at++) {
    const from = canvas.colours[above + at] as number;
    row[at] = from + ((canvas.colours[above + row.length + at] as number) - from) * part;
  }
}

/** Noise, roughly normal, with room for the longest row after any offset. */
function makeGrain(strength: number): Int8Array {
  const random = createRandom(0, 0);
  const grain = new Int8Array(GRAIN_LENGTH * 2);
  for (let at = 0; at < GRAIN_LENGTH; at++) {
    const value = Math.round((random() + random() + random() - 1.5) * strength);
    grain[at] = value;
    grain[at + GRAIN_LENGTH] = value;
  }
  return grain;
}
