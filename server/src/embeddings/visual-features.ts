/**
 * The maths of `local-visual-v1`: what a small picture looks like, as numbers. Three views that fail
 * in different ways are joined: the layout of light and colour (low frequencies of a cosine
 * transform), where edges run (a histogram of gradients), and which colours occur (a histogram of
 * hue, saturation and value).
 */

/** Edge of the square that features are computed from, in pixels. */
export const FEATURE_EDGE = 64;

const GRID = 8;
const CELL = FEATURE_EDGE / GRID;
const PIXELS = FEATURE_EDGE * FEATURE_EDGE;
const HOG_GRID = 4;
const HOG_CELL = FEATURE_EDGE / HOG_GRID;
const ORIENTATIONS = 8;
const HUES = 12;

/** `COSINES[u][x]`: the orthonormal DCT-II basis of length 8, so that no cosine is taken per image. */
const COSINES = Array.from({ length: GRID }, (_, u) =>
  Float64Array.from(
    { length: GRID },
    (_, x) => (u === 0 ? Math.SQRT1_2 : 1) * 0.5 * Math.cos(((2 * x + 1) * u * Math.PI) / 16),
  ),
);

/** How much each view counts in the cosine; chosen so that none of the three can decide alone. */
const WEIGHTS = { light: 0.6, blue: 0.35, red: 0.35, gradients: 0.6, colours: 0.5 };

/** Length of {@link visualFeatures}: 3 × 64 layout, 128 gradients, 72 colours. */
export const FEATURE_COUNT = 3 * GRID * GRID + HOG_GRID * HOG_GRID * ORIENTATIONS + HUES * 3 * 2;

/** `rgb`: 64 × 64 pixels of 3 bytes, row by row. The result has length 1. */
export function visualFeatures(rgb: Uint8Array): Float32Array {
  if (rgb.length !== PIXELS * 3) {
    throw new RangeError(`expected ${PIXELS * 3} bytes of RGB, got ${rgb.length}`);
  }
  const light = new Float32Array(PIXELS);
  const blue = new Float32Array(PIXELS);
  const red = new Float32Array(PIXELS);
  for (let i = 0; i < PIXELS; i++) {
    const r = at(rgb, i * 3);
    const g = at(rgb, i * 3 + 1);
    const b = at(rgb, i * 3 + 2);
    // ITU-R BT.601, as in JPEG
    light[i] = 0.299 * r + 0.587 * g + 0.114 * b;
    blue[i] = -0.169 * r - 0.331 * g + 0.5 * b;
    red[i] = 0.5 * r - 0.419 * g - 0.081 * b;
  }
  const lightLayout = cosineTransform(averageCells(light));
  // The mean brightness says how the picture was exposed, not what it shows.
  lightLayout[0] = 0;

  const features = new Float32Array(FEATURE_COUNT);
  let offset = 0;
  const append = (values: Float64Array, weight: number) => {
    const scale = weight / (norm(values) || 1);
    for (let i = 0; i < values.length; i++) features[offset + i] = at(values, i) * scale;
    offset += values.length;
  };
  append(lightLayout, WEIGHTS.light);
  append(cosineTransform(averageCells(blue)), WEIGHTS.blue);
  append(cosineTransform(averageCells(red)), WEIGHTS.red);
  append(gradientHistogram(light), WEIGHTS.gradients);
  append(colourHistogram(rgb), WEIGHTS.colours);

  const length = norm(features) || 1;
  for (let i = 0; i < features.length; i++) features[i] = at(features, i) / length;
  return features;
}

/** Means of the 8 × 8 cells of a plane. */
function averageCells(plane: Float32Array): Float64Array {
  const means = new Float64Array(GRID * GRID);
  for (let y = 0; y < FEATURE_EDGE; y++) {
    for (let x = 0; x < FEATURE_EDGE; x++) {
      const cell = Math.floor(y / CELL) * GRID + Math.floor(x / CELL);
      means[cell] = at(means, cell) + at(plane, y * FEATURE_EDGE + x) / (CELL * CELL);
    }
  }
  return means;
}

/** Two-dimensional DCT-II of an 8 × 8 block: rows, then columns. */
function cosineTransform(block: Float64Array): Float64Array {
  const rows = new Float64Array(GRID * GRID);
  const result = new Float64Array(GRID * GRID);
  COSINES.forEach((basis, u) => {
    for (let y = 0; y < GRID; y++) {
      let sum = 0;
      for (let x = 0; x < GRID; x++) sum += at(block, y * GRID + x) * at(basis, x);
      rows[y * GRID + u] = sum;
    }
  });
  COSINES.forEach((basis, v) => {
    for (let u = 0; u < GRID; u++) {
      let sum = 0;
      for (let y = 0; y < GRID; y++) sum += at(rows, y * GRID + u) * at(basis, y);
      result[v * GRID + u] = sum;
    }
  });
  return result;
}

/** For each of 4 × 4 cells: how strong the edges are in each of 8 directions, light to dark or back alike. */
function gradientHistogram(light: Float32Array): Float64Array {
  const histogram = new Float64Array(HOG_GRID * HOG_GRID * ORIENTATIONS);
  for (let y = 1; y < FEATURE_EDGE - 1; y++) {
    for (let x = 1; x < FEATURE_EDGE - 1; x++) {
      const i = y * FEATURE_EDGE + x;
      const dx = at(light, i + 1) - at(light, i - 1);
      const dy = at(light, i + FEATURE_EDGE) - at(light, i - FEATURE_EDGE);
      const turn = (Math.atan2(dy, dx) + Math.PI) / Math.PI;
      const orientation = Math.floor(turn * ORIENTATIONS) % ORIENTATIONS;
      const cell = Math.floor(y / HOG_CELL) * HOG_GRID + Math.floor(x / HOG_CELL);
      const bin = cell * ORIENTATIONS + orientation;
      histogram[bin] = at(histogram, bin) + Math.sqrt(dx * dx + dy * dy);
    }
  }
  return histogram;
}

/**
 * 12 hues × 3 saturations × 2 values. Each pixel is shared between the neighbouring bins: with hard
 * edges, a picture made 15 % brighter moves whole areas across one, and its histogram is another
 * one (cosine 0.76 against 0.98, measured). Square roots, so that one large area does not drown
 * the rest.
 */
function colourHistogram(rgb: Uint8Array): Float64Array {
  const histogram = new Float64Array(HUES * 6);
  for (let i = 0; i < PIXELS; i++) {
    const r = at(rgb, i * 3);
    const g = at(rgb, i * 3 + 1);
    const b = at(rgb, i * 3 + 2);
    const max = Math.max(r, g, b);
    const range = max - Math.min(r, g, b);
    const hue = hueSextant(r, g, b, max, range) * (HUES / 6) - 0.5 + HUES;
    const lowHue = Math.floor(hue);
    const saturation = saturationPosition(max === 0 ? 0 : range / max);
    const lowSaturation = Math.min(1, Math.floor(saturation));
    const bright = Math.min(1, Math.max(0, (max - 64) / 128));
    for (let corner = 0; corner < 8; corner++) {
      const [nextHue, nextSaturation, isBright] = [corner & 1, (corner >> 1) & 1, corner >> 2];
      const share =
        linear(hue - lowHue, nextHue) *
        linear(saturation - lowSaturation, nextSaturation) *
        linear(bright, isBright);
      const bin = ((lowHue + nextHue) % HUES) * 6 + (lowSaturation + nextSaturation) * 2 + isBright;
      histogram[bin] = at(histogram, bin) + share;
    }
  }
  return histogram.map(Math.sqrt);
}

/** The share of the lower (0) or upper (1) of two bins, for a position between them. */
function linear(position: number, side: number): number {
  return side === 1 ? position : 1 - position;
}

/** From 0 (grey, up to 0.08) over 1 (0.33) to 2 (vivid, from 0.75): most photos lie low. */
function saturationPosition(saturation: number): number {
  if (saturation <= 0.08) return 0;
  if (saturation <= 0.33) return (saturation - 0.08) / 0.25;
  return Math.min(2, 1 + (saturation - 0.33) / 0.42);
}

/** Hue from 0 to 6 (0 for greys). */
function hueSextant(r: number, g: number, b: number, max: number, range: number): number {
  if (range === 0) return 0;
  if (max === r) return ((g - b) / range + 6) % 6;
  if (max === g) return (b - r) / range + 2;
  return (r - g) / range + 4;
}

function norm(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += at(values, i) ** 2;
  return Math.sqrt(sum);
}

/** An element known to exist; typed arrays answer `number | undefined` under strict indexing. */
function at(values: ArrayLike<number>, index: number): number {
  return values[index] ?? 0;
}
