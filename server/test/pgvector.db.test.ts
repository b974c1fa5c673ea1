import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OpenDatabase } from '../src/database/open-database.ts';
import { convertVectors } from '../src/database/pgvector.ts';
import { openVectors, toUnit } from '../src/database/vectors.ts';
import { createArrayIndex } from '../src/library/array-index.ts';
import { hasPgvector, openTestDatabase, run } from './fixtures/databases.ts';
import { addEmbedded } from './fixtures/vectors.ts';

let database: OpenDatabase;
beforeEach(async () => {
  database = await openTestDatabase();
}, 60_000);
afterEach(() => database.close());

/** As a server without pgvector made it. */
async function asArrays(): Promise<OpenDatabase> {
  await run(
    database.db,
    'alter table embeddings alter column vector type real[] using vector::real[]',
    'drop extension if exists vector',
  );
  const vectors = { ...database.vectors, kind: 'array' as const };
  vectors.value = (vector) => sql`${`{${toUnit(vector).join(',')}}`}::real[]`;
  return { ...database, vectors };
}

if (await hasPgvector()) {
  describe('a database whose server got pgvector later', () => {
    it('is converted at the next start, with all its vectors', async () => {
      const old = await asArrays();
      const userId = randomUUID();
      await addEmbedded(old, userId, [Float32Array.of(3, 4), Float32Array.of(0, -2)]);
      // A process that is running: its index must go on when the column changes under it.
      const running = createArrayIndex(old.db);
      const query = { userId, model: 'test', vector: Float32Array.of(0, 1), limit: 5 };
      const before = await running.nearest(query);

      expect((await openVectors(database.db)).kind).toBe('pgvector');

      const { rows } = await sql<{ vector: string }>`
        select vector::text from embeddings order by vector::text`.execute(database.db);
      expect(rows.map(({ vector }) => vector)).toEqual(['[0,-1]', '[0.6,0.8]']);
      expect(await createArrayIndex(database.db).nearest(query)).toEqual(before);
      // It still writes arrays.
      await addEmbedded(old, userId, [Float32Array.of(0, 5)]);
      expect(await running.nearest(query)).toHaveLength(3);
    });

    it('is converted by one of several processes that start together', async () => {
      await asArrays();
      const outcomes = await Promise.all([1, 2, 3].map(() => convertVectors(database.db)));
      expect(outcomes.filter(Boolean)).toHaveLength(1);
      expect(await convertVectors(database.db)).toBe(false);
    });
  });
} else {
  describe('a database whose server has no pgvector', () => {
    it('keeps arrays: pgvector is absent here, so its own tests did not run', async () => {
      expect(database.vectors.kind).toBe('array');
      expect((await openVectors(database.db)).kind).toBe('array');
      expect(await convertVectors(database.db)).toBe(false);
    });
  });
}

describe('a stored vector', () => {
  it('has length 1, whatever came', async () => {
    const userId = randomUUID();
    await addEmbedded(database, userId, [Float32Array.of(30, 40)]);
    const { rows } = await sql<{ values: number[] }>`
      select vector::real[] as values from embeddings`.execute(database.db);
    expect(rows[0]?.values).toEqual([0.6, 0.8]);
  });

  it.each([[[0, 0]], [[Number.NaN, 1]], [[Number.POSITIVE_INFINITY, 1]]])(
    'cannot be %j, which has no direction',
    (values) => {
      expect(() => database.vectors.value(Float32Array.from(values))).toThrow(RangeError);
    },
  );
});
