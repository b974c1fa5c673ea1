import { randomUUID } from 'node:crypto';
import { assetsResponseSchema, searchResponseSchema } from 'bulkhead/protocol';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prefixTsquery, searchWordsOf, wordsOf } from '../src/library/words.ts';
import { jpeg, startTestServer, type TestServer, type TestUser } from './fixtures/test-server.ts';

let app: TestServer;
beforeAll(async () => {
  app = await startTestServer();
});
afterAll(() => app?.close());

const add = async (user: TestUser, filename: string, path?: string) => {
  const id = await user.upload({ ...jpeg(filename, 50), ...(path !== undefined && { path }) });
  await user.finalize(id);
  return id;
};
const embed = (user: TestUser, id: string, vector: number[], model = 'test') =>
  app.database.db
    .insertInto('embeddings')
    .values({
      asset_id: id,
      user_id: user.id,
      model,
      vector: app.database.vectors.value(Float32Array.from(vector)),
    })
    .execute();
const change = (id: string, set: object) =>
  app.database.db.updateTable('assets').set(set).where('id', '=', id).execute();
const found = async (user: TestUser, query: string) => {
  const { body } = await user.call('GET', `/api/search?${query}`);
  return searchResponseSchema.parse(body).results;
};

describe('pages', () => {
  test('walk through everything once, newest first, though many share a moment', async () => {
    const user = app.user();
    await sql`insert into assets
        (id, user_id, key, filename, mime_type, size, checksum, search_words, created_at)
      select gen_random_uuid(), ${user.id}, 'u/x', n || '.jpg', 'image/jpeg', 1, lpad(n::text, 64, '0'), '',
        timestamptz '2026-01-01' + (n / 10) * interval '1 ms'
      from generate_series(1, 95) n`.execute(app.database.db);
    const seen: { id: string; createdAt: string }[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const { body } = await user.call('GET', `/api/assets?limit=10${query}`);
      const page = assetsResponseSchema.parse(body);
      seen.push(...page.assets);
      cursor = page.nextCursor;
    }
    expect(new Set(seen.map(({ id }) => id)).size).toBe(95);
    expect(seen).toHaveLength(95);
    const times = seen.map(({ createdAt }) => createdAt);
    expect(times).toEqual(times.toSorted().reverse());
  });

  test('of one stage have exactly the assets in that stage', async () => {
    const user = app.user();
    const [processing, embedding, searchable, failed] = await Promise.all(
      ['a', 'b', 'c', 'd'].map((name) => add(user, `${name}.jpg`)),
    );
    await change(embedding ?? '', { processed: true });
    await change(searchable ?? '', { processed: true, embedded: true });
    await change(failed ?? '', { failed: true });
    for (const [stage, id] of Object.entries({ processing, embedding, searchable, failed })) {
      const { body } = await user.call('GET', `/api/assets?stage=${stage}`);
      expect(body.assets).toMatchObject([{ id, stage }]);
    }
  });

  test('a processed asset has signed URLs that work; others have none', async () => {
    const user = app.user();
    const id = await add(user, 'a.jpg');
    const { rows } = await sql<{ key: string }>`select key from assets where id = ${id}`.execute(
      app.database.db,
    );
    const thumbnail = `${rows[0]?.key}.thumbnail.webp`;
    const bare = (await user.call('GET', `/api/assets/${id}`)).body.asset;
    expect([bare.imageUrl, bare.thumbnailUrl]).toEqual([null, null]);
    await app.store.write(thumbnail, new TextEncoder().encode('webp'), 'image/webp');
    await change(id, { thumbnail_key: thumbnail, processed: true });
    const { asset } = (await user.call('GET', `/api/assets/${id}`)).body;
    const response = await fetch(asset.thumbnailUrl);
    expect(response.headers.get('content-type')).toBe('image/webp');
    expect(await response.text()).toBe('webp');
  });
});

describe('search by words', () => {
  test('every word must begin a word of the name or the path', async () => {
    const user = app.user();
    const id = await add(user, 'IMG_2034 Été à la mer.jpg', 'Holiday 2026/Brittany/IMG_2034.jpg');
    await add(user, 'other.jpg');
    for (const query of [
      'img',
      '2034',
      'img2034',
      'été',
      'ÉTÉ MER',
      'hol britt',
      '203',
      'jpg mer',
    ]) {
      const results = await found(user, `q=${encodeURIComponent(query)}`);
      expect(results.map(({ asset }) => asset.id)).toEqual([id]);
      expect(results[0]?.score).toBe(1);
    }
    for (const query of ['mg', 'img 999', 'mer tagne', 'zzz']) {
      expect(await found(user, `q=${encodeURIComponent(query)}`)).toEqual([]);
    }
  });

  test('nothing in a query is an operator', async () => {
    const user = app.user();
    await add(user, 'cat.jpg');
    for (const query of [
      `cat' & !dog`,
      'cat:*',
      '!cat',
      '(cat',
      'cat | dog',
      `'; drop table`,
      '🎉',
      '\\',
    ]) {
      const { status } = await user.call('GET', `/api/search?q=${encodeURIComponent(query)}`);
      expect(status).toBe(200);
    }
    expect(await found(user, `q=${encodeURIComponent('🎉 ...')}`)).toEqual([]);
  });

  test('finds nothing of other users', async () => {
    await add(app.user(), 'unique-zebra.jpg');
    expect(await found(app.user(), 'q=zebra')).toEqual([]);
  });

  test('any text at all makes a query that the database takes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 80 }), async (text) => {
        const query = prefixTsquery(text);
        if (query === undefined) return;
        await sql`select ${query}::tsquery`.execute(app.database.db);
      }),
      { numRuns: 150 },
    );
  });

  test('any name is found by each of its own words', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 40 }), async (name) => {
        const stored = searchWordsOf(name, null);
        for (const word of wordsOf(name)) {
          const { rows } = await sql<{ hit: boolean }>`
            select array_to_tsvector(string_to_array(${stored}, ' ')) @@
              ${prefixTsquery(word)}::tsquery as hit`.execute(app.database.db);
          expect(rows[0]?.hit).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('search by likeness', () => {
  test('gives the nearest first, by cosine, without the asset itself', async () => {
    const user = app.user();
    const ids = await Promise.all(['a', 'b', 'c', 'd'].map((name) => add(user, `${name}.jpg`)));
    const [like = '', near = '', far = '', opposite = ''] = ids;
    await embed(user, like, [1, 0]);
    await embed(user, near, [0.9, 0.1]);
    await embed(user, far, [0, 1]);
    await embed(user, opposite, [-2, 0]);
    const results = await found(user, `like=${like}`);
    expect(results.map(({ asset }) => asset.id)).toEqual([near, far, opposite]);
    expect(results.map(({ score }) => Math.round(score * 100) / 100)).toEqual([0.99, 0, -1]);
  });

  test('never compares vectors of another user or another model', async () => {
    const [ada, grace] = [app.user(), app.user()];
    const [mine, other, foreign] = [
      await add(ada, 'a.jpg'),
      await add(ada, 'b.jpg'),
      await add(grace, 'c.jpg'),
    ];
    await embed(ada, mine, [1, 0]);
    await embed(ada, other, [1, 0, 0], 'another');
    await embed(grace, foreign, [1, 0]);
    expect(await found(ada, `like=${mine}`)).toEqual([]);
    const stranger = await grace.call('GET', `/api/search?like=${mine}`);
    expect([stranger.status, stranger.body.code]).toEqual([404, 'not_found']);
  });

  test('an asset without an embedding is like nothing yet', async () => {
    const user = app.user();
    expect(await found(user, `like=${await add(user, 'a.jpg')}`)).toEqual([]);
  });
});

describe('one asset', () => {
  test('of another user does not exist, whatever is asked of it', async () => {
    const id = await add(app.user(), 'a.jpg');
    const stranger = app.user();
    for (const [method, path] of [
      ['GET', `/api/assets/${id}`],
      ['POST', `/api/assets/${id}/retry-processing`],
      ['GET', `/api/search?like=${id}`],
    ] as const) {
      const foreign = await stranger.call(method, path);
      const unknown = await stranger.call(method, path.replace(id, randomUUID()));
      expect(foreign.status).toBe(404);
      expect(foreign.body).toEqual(unknown.body);
    }
    const { body } = await stranger.call('POST', '/api/assets/changes', { ids: [id] });
    expect(body.changes).toEqual([]);
  });

  test('says where it stands when asked after a gap', async () => {
    const user = app.user();
    const [a, b] = [await add(user, 'a.jpg'), await add(user, 'b.jpg')];
    const ids = [b, a, randomUUID()];
    const { body } = await user.call('POST', '/api/assets/changes', { ids });
    expect(body.changes).toMatchObject([
      { id: a, stage: 'processing' },
      { id: b, stage: 'processing' },
    ]);
  });
});

describe('a person’s retry', () => {
  const problem = JSON.stringify({ code: 'undecodable', detail: 'damaged' });

  test('clears the failure and puts the right stage at the front of the queue', async () => {
    const user = app.user();
    for (const [processed, job] of [
      [false, 'process'],
      [true, 'embed'],
    ] as const) {
      const id = await add(user, `${job}.jpg`);
      await change(id, {
        processed,
        failed: true,
        processing_error: processed ? null : problem,
        embedding_error: processed ? problem : null,
        embedding_retry_count: 5,
      });
      const before = (await user.call('GET', `/api/assets/${id}`)).body.asset;
      expect(before.stage).toBe('failed');
      const { body } = await user.call('POST', `/api/assets/${id}/retry-processing`);
      expect(body).toMatchObject({
        success: true,
        asset: { id, processingError: null, embeddingError: null },
      });
      expect(body.asset.stage).toBe(processed ? 'embedding' : 'processing');
      expect(body.asset.version).toBeGreaterThan(before.version);
      expect(await user.jobs()).toContainEqual({ name: job, asset_id: id, priority: 10 });
    }
  });

  test('of what did not fail, or twice, enqueues nothing more', async () => {
    const user = app.user();
    const id = await add(user, 'a.jpg');
    await user.call('POST', `/api/assets/${id}/retry-processing`);
    expect(await user.jobs()).toHaveLength(1);
    await change(id, { failed: true, processing_error: problem });
    await Promise.all(
      Array.from({ length: 10 }, () => user.call('POST', `/api/assets/${id}/retry-processing`)),
    );
    expect(await user.jobs()).toHaveLength(2);
  });
});
