import { type RawBuilder, sql } from 'kysely';
import type { Database } from './schema.ts';

/** How this database stores and compares vectors: pgvector where it is, arrays where it is not. */
export interface Vectors {
  readonly kind: 'pgvector' | 'array';
  /** A vector as the column takes it. */
  value(vector: Float32Array): RawBuilder<string>;
  /** Cosine distance of two columns, such as `mine.vector` and `other.vector`. */
  distance(left: string, right: string): RawBuilder<number>;
}

/** Finds out by the column itself, which a migration made. */
export async function readVectors(db: Database): Promise<Vectors> {
  const { rows } = await sql<{ type: string }>`
    select format_type(atttypid, atttypmod) as type from pg_attribute
    where attrelid = 'embeddings'::regclass and attname = 'vector'`.execute(db);
  return rows[0]?.type === 'real[]' ? ARRAYS : PGVECTOR;
}

const PGVECTOR: Vectors = {
  kind: 'pgvector',
  value: (vector) => sql`${`[${vector.join(',')}]`}::vector`,
  distance: (left, right) => sql`${sql.ref(left)} <=> ${sql.ref(right)}`,
};

const ARRAYS: Vectors = {
  kind: 'array',
  value: (vector) => sql`${`{${vector.join(',')}}`}::real[]`,
  distance: (left, right) => sql`cosine_distance(${sql.ref(left)}, ${sql.ref(right)})`,
};
