import { EmbeddingError, toVector } from './embedder.ts';

const FLOAT_BYTES = 4;

/**
 * Finds the vector in what a model gave: numbers, or a base64 text of 32-bit floats (little-endian).
 *
 * @param path keys and indexes with dots between, such as `image_vector` or `0.embedding`; lists of one
 * element are looked into without being named
 * @throws {EmbeddingError} `permanent`
 */
export function readOutput(output: unknown, path: string, dimensions: number): Float32Array {
  let value: unknown = output;
  for (const key of path === '' ? [] : path.split('.')) {
    value = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
    if (value === undefined) throw unexpected(path, output);
  }
  while (Array.isArray(value) && value.length === 1 && typeof value[0] !== 'number') {
    [value] = value;
  }
  if (typeof value === 'string') return toVector(decodeBase64(value), dimensions);
  if (value instanceof Float32Array || isNumbers(value)) return toVector(value, dimensions);
  throw unexpected(path, output);
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'number');
}

function decodeBase64(text: string): Float32Array {
  const bytes = Buffer.from(text.replace(/^data:[^,]*,/, ''), 'base64');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Float32Array.from({ length: Math.floor(bytes.length / FLOAT_BYTES) }, (_, i) =>
    view.getFloat32(i * FLOAT_BYTES, true),
  );
}

function unexpected(path: string, output: unknown): EmbeddingError {
  const where = path === '' ? '' : ` at ${path}`;
  return new EmbeddingError(
    `The model gave no vector${where}, but ${describe(output)}: see outputPath`,
    'permanent',
  );
}

function describe(output: unknown): string {
  if (Array.isArray(output)) return `a list of ${output.length}`;
  if (typeof output !== 'object' || output === null)
    return `${output === null ? null : typeof output}`;
  return `an object with ${Object.keys(output).slice(0, 5).join(', ')}`;
}
