import { type RawBuilder, sql } from 'kysely';
import { convertVectors, isArray } from './pgvector.ts';
import type { Database } from './schema.ts';

/**
 * How this database stores vectors: pgvector where it is, arrays where it is not. What is stored has
 * length 1, so that likeness is a dot product.
 */
export interface Vectors {
  readonly kind: 'pgvector' | 'array';
  /**
   * A vector as the column takes it, scaled to length 1.
   * @throws {RangeError} for one without a direction: zeros, NaN, infinities.
   */
  value(vector: Float32Array): RawBuilder<string>;
}

/** Converts what can be converted, then says what the column is. */
export async function openVectors(db: Database): Promise<Vectors> {
  await convertVectors(db);
  return (await isArray(db)) ? ARRAYS : PGVECTOR;
}

/** @throws {RangeError} when there is no such vector. */
export function toUnit(vector: Float32Array): Float32Array {
  let sum = 0;
  for (const value of vector) sum += value * value;
  const length = Math.sqrt(sum);
  if (!(length > 0) || !Number.isFinite(length)) {
    throw new RangeError('A vector needs a direction: finite numbers, not all of them 0');
  }
  return vector.map((value) => value / length);
}

const PGVECTOR: Vectors = {
  kind: 'pgvector',
  value: (vector) => sql`${`[${toUnit(vector).join(',')}]`}::vector`,
};

const ARRAYS: Vectors = {
  kind: 'array',
  value: (vector) => sql`${`{${toUnit(vector).join(',')}}`}::real[]`,
};
