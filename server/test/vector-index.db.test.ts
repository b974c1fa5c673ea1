import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { changed } from '../src/database/change-assets.ts';
import type { OpenDatabase } from '../src/database/open-database.ts';
import { toUnit } from '../src/database/vectors.ts';
import { createArrayIndex } from '../src/library/array-index.ts';
import { indexName } from '../src/library/pgvector-index.ts';
import { createVectorIndex, type VectorIndex } from '../src/library/vector-index.ts';
import { hasPgvector, openTestDatabase } from './fixtures/databases.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';
import { addEmbedded, randomVector, seededRandom } from './fixtures/vectors.ts';

let database: OpenDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
}, 60_000);
afterAll(() => database.close());

const DIMENSIONS = 24;
const many = (count: number, seed: number) => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => randomVector(random, DIMENSIONS));
};

/** What the answer must be, by comparing everything here. */
function nearestOf(ids: readonly string[], values: readonly Float32Array[], to: Float32Array) {
  return ids
    .map((assetId, i) => {
      const unit = toUnit(values[i] as Float32Array);
      return { assetId, score: unit.reduce((sum, x, k) => sum + x * (to[k] ?? 0), 0) };
    })
    .sort((a, b) => b.score - a.score);
}

/** The index of this engine, and the one for databases without pgvector, which reads both columns. */
const INDEXES: [string, () => VectorIndex][] = [
  ['of this database', () => createVectorIndex(database, recordingLogger())],
  ['in memory', () => createArrayIndex(database.db)],
  ['in memory, with more vectors than it may keep', () => createArrayIndex(database.db, 1000)],
];

describe.each(INDEXES)('the index %s', (_, create) => {
  it('finds exactly the nearest, best first', async () => {
    const userId = randomUUID();
    const values = many(5000, 1);
    const ids = await addEmbedded(database, userId, values);
    const index = create();
    for (const target of many(3, 2).map(toUnit)) {
      const query = { userId, model: 'test', vector: target, limit: 30 };
      const found = await index.nearest(query);
      const expected = nearestOf(ids, values, target).slice(0, 30);
      expect(found.map(({ assetId }) => assetId)).toEqual(expected.map(({ assetId }) => assetId));
      for (const [i, { score }] of found.entries()) {
        expect(score).toBeCloseTo(expected[i]?.score ?? Number.NaN, 5);
      }
    }
  });

  it('sees what was added, replaced and deleted since the search before', async () => {
    const userId = randomUUID();
    const [first = '', second = ''] = await addEmbedded(database, userId, [
      Float32Array.of(1, 0),
      Float32Array.of(0, 1),
    ]);
    const index = create();
    const search = async () => {
      const vector = Float32Array.of(1, 0);
      const found = await index.nearest({ userId, model: 'test', vector, limit: 10 });
      return found.map(({ assetId }) => assetId);
    };
    expect(await search()).toEqual([first, second]);
    const [third = ''] = await addEmbedded(database, userId, [Float32Array.of(0.9, 0.1)]);
    expect(await search()).toEqual([first, third, second]);
    await database.db
      .updateTable('embeddings')
      .set({
        vector: database.vectors.value(Float32Array.of(-1, 0)),
        version: changed().version,
      })
      .where('asset_id', '=', first)
      .execute();
    expect(await search()).toEqual([third, second, first]);
    await database.db.deleteFrom('assets').where('id', '=', third).execute();
    index.forget(userId, 'test', [third]);
    expect(await search()).toEqual([second, first]);
  });

  it('never names another user’s vectors, nor those of another model', async () => {
    const [ada, grace] = [randomUUID(), randomUUID()];
    const one = [Float32Array.of(1, 0)];
    const [mine = ''] = await addEmbedded(database, ada, one);
    await addEmbedded(database, ada, one, { model: 'other' });
    await addEmbedded(database, grace, one);
    const query = { userId: ada, model: 'test', vector: Float32Array.of(1, 0), limit: 10 };
    expect((await create().nearest(query)).map(({ assetId }) => assetId)).toEqual([mine]);
  });

  it('serves many searches at once', async () => {
    const userId = randomUUID();
    const values = many(3000, 3);
    const ids = await addEmbedded(database, userId, values);
    const index = create();
    const [target = new Float32Array()] = many(1, 4).map(toUnit);
    const answers = await Promise.all(
      Array.from({ length: 8 }, () =>
        index.nearest({ userId, model: 'test', vector: target, limit: 5 }),
      ),
    );
    const expected = nearestOf(ids, values, target).slice(0, 5);
    for (const answer of answers) {
      expect(answer.map(({ assetId }) => assetId)).toEqual(expected.map(({ assetId }) => assetId));
    }
  });
});

describe('the index in memory', () => {
  it('gives up the users that searched longest ago when it is full', async () => {
    const [ada, grace] = [randomUUID(), randomUUID()];
    const values = many(1000, 5);
    for (const userId of [ada, grace]) await addEmbedded(database, userId, values);
    // Room for one of both.
    const index = createArrayIndex(database.db, 1000 * (DIMENSIONS * 4 + 150) * 1.6);
    const [vector = new Float32Array()] = many(1, 6).map(toUnit);
    for (const userId of [ada, grace, ada, grace]) {
      expect(await index.nearest({ userId, model: 'test', vector, limit: 3 })).toHaveLength(3);
    }
  });
});

if (await hasPgvector()) {
  describe('with an HNSW index', () => {
    const dimensions = 8;
    const approximate = (approximateFrom: number) => {
      const logger = recordingLogger();
      return { logger, index: createVectorIndex(database, logger, { approximateFrom }) };
    };

    it('a small user beside a large one gets all of its own, and nothing of the other', async () => {
      const model = `hnsw-${randomUUID()}`;
      const [large, small] = [randomUUID(), randomUUID()];
      const random = seededRandom(7);
      const theirs = Array.from({ length: 4000 }, () => randomVector(random, dimensions));
      // As far from the target as can be: by likeness alone every place would go to the large user.
      const target = toUnit(theirs[0] as Float32Array);
      const mine = Array.from({ length: 60 }, () =>
        randomVector(random, dimensions).map((x, i) => x * 0.1 - (target[i] ?? 0)),
      );
      await addEmbedded(database, large, theirs, { model });
      const ids = await addEmbedded(database, small, mine, { model });
      // 20: both users count as large, so that both are searched through the index.
      for (const approximateFrom of [1000, 20]) {
        const { index, logger } = approximate(approximateFrom);
        const search = (userId: string) =>
          index.nearest({ userId, model, vector: target, limit: 50 });
        await search(large);
        await index.close();
        const found = await search(small);
        expect(found).toHaveLength(50);
        expect(ids).toEqual(expect.arrayContaining(found.map(({ assetId }) => assetId)));
        const scores = found.map(({ score }) => score);
        expect(scores).toEqual(scores.toSorted((a, b) => b - a));
        expect(logger.lines.filter(({ level }) => level === 'error')).toEqual([]);
      }
    });

    it('is made once, in the background, used by the query, and finds nearly all', async () => {
      const model = `hnsw'"-${randomUUID()}`;
      const userId = randomUUID();
      const random = seededRandom(8);
      const values = Array.from({ length: 3000 }, () => randomVector(random, dimensions));
      const ids = await addEmbedded(database, userId, values, { model });
      const { index, logger } = approximate(100);
      const target = toUnit(randomVector(random, dimensions));
      const query = { userId, model, vector: target, limit: 50 };
      const exact = nearestOf(ids, values, target).slice(0, 50);
      // Before the index is there the answer is exact.
      const before = await index.nearest(query);
      expect(before.map(({ assetId }) => assetId)).toEqual(exact.map(({ assetId }) => assetId));
      await index.close();
      const after = await index.nearest(query);
      const known = new Set(exact.map(({ assetId }) => assetId));
      expect(after.filter(({ assetId }) => known.has(assetId)).length).toBeGreaterThan(45);
      const made = logger.lines.filter(({ message }) => message.includes('made an index'));
      expect(made).toHaveLength(1);
      await sql`select pg_stat_force_next_flush()`.execute(database.db);
      const { rows } = await sql<{ scans: number }>`
        select idx_scan::int as scans from pg_stat_all_indexes
        where indexrelname = ${indexName(model, dimensions)}`.execute(database.db);
      expect(rows[0]?.scans).toBeGreaterThan(0);
      // Another process finds it there.
      const other = approximate(100);
      await other.index.nearest(query);
      await other.index.close();
      expect(other.logger.lines).toEqual([]);
    });

    it('is not asked for vectors that are too long for it', async () => {
      const model = `long-${randomUUID()}`;
      const userId = randomUUID();
      const random = seededRandom(9);
      const values = Array.from({ length: 30 }, () => randomVector(random, 2100));
      const ids = await addEmbedded(database, userId, values, { model });
      const { index, logger } = approximate(10);
      const target = toUnit(values[3] as Float32Array);
      const found = await index.nearest({ userId, model, vector: target, limit: 1 });
      expect(found[0]?.assetId).toBe(ids[3]);
      await index.close();
      expect(logger.lines).toEqual([]);
    });
  });
} else {
  it('makes no HNSW index: pgvector is absent here, so its tests did not run', () => {
    expect(database.vectors.kind).toBe('array');
  });
}
