import { assetsResponseSchema, searchResponseSchema } from 'bulkhead/protocol';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Embedder, EmbeddingError } from '../src/embeddings/embedder.ts';
import { startTestServer, type TestServer, type TestUser } from './fixtures/test-server.ts';
import { addEmbedded } from './fixtures/vectors.ts';

/** Knows three words; what it is asked is counted. */
const WORDS: Record<string, number[]> = { boat: [1, 0, 0], dog: [0, 1, 0], tree: [0, 0, 1] };
const asked: string[] = [];
let failure: Error | undefined;
const embedder: Embedder = {
  model: 'test',
  dimensions: 3,
  pace: { provider: 'words', requestsPerMinute: 6000, burst: 100 },
  embed: () => Promise.reject(new Error('not used')),
  async embedText(text) {
    asked.push(text);
    if (failure) throw failure;
    return Float32Array.from(WORDS[text] ?? [1, 1, 1]);
  },
};

let app: TestServer;
let plain: TestServer;
beforeAll(async () => {
  [app, plain] = await Promise.all([startTestServer({ embedder }), startTestServer()]);
});
afterAll(async () => {
  await app?.close();
  await plain?.close();
});
beforeEach(() => {
  asked.length = 0;
  failure = undefined;
});

async function find(user: TestUser, query: string) {
  const { status, body } = await user.call('GET', `/api/search?${query}`);
  expect({ status, body }).toMatchObject({ status: 200 });
  const { results, meaning } = searchResponseSchema.parse(body);
  return { found: results.map(({ asset, match }) => [asset.id, match]), results, meaning };
}

async function photos(user: TestUser, server = app) {
  const add = async (filename: string, values: number[]) =>
    (await addEmbedded(server.database, user.id, [Float32Array.from(values)], { filename }))[0];
  return {
    sail: await add('holiday.jpg', [0.9, 0.1, 0]),
    puppy: await add('img 7.jpg', [0.1, 0.9, 0]),
    named: await add('boat.jpg', [0, 0.2, 1]),
  };
}

describe('search for a text, where the embedder knows words', () => {
  test('puts what the words find first, then what the text means', async () => {
    const user = app.user();
    const { sail, puppy, named } = await photos(user);
    const { found, results, meaning } = await find(user, 'q=boat');
    expect(found).toEqual([
      [named, 'words'],
      [sail, 'meaning'],
      [puppy, 'meaning'],
    ]);
    expect(results[0]?.score).toBe(1);
    expect(results[1]?.score).toBeCloseTo(0.994, 3);
    expect(meaning).toBe('used');
  });

  test('goes by words only when asked to', async () => {
    const user = app.user();
    const { named } = await photos(user);
    expect(await find(user, 'q=boat&mode=words')).toMatchObject({
      found: [[named, 'words']],
      meaning: 'unused',
    });
    expect(asked).toEqual([]);
  });

  test('goes by meaning only when asked to', async () => {
    const user = app.user();
    const { sail, puppy, named } = await photos(user);
    expect((await find(user, 'q=dog&mode=meaning')).found).toEqual([
      [puppy, 'meaning'],
      [named, 'meaning'],
      [sail, 'meaning'],
    ]);
  });

  test('asks for no meaning when words fill the answer, and never twice for one text', async () => {
    const user = app.user();
    await photos(user);
    expect(await find(user, 'q=boat&limit=1')).toMatchObject({ meaning: 'unused' });
    await find(user, 'q=tree&limit=2');
    await find(user, 'q=tree&limit=3');
    expect(asked).toEqual(['tree']);
  });

  test('gives what the words find while the provider is down, and asks it no more', async () => {
    const user = app.user();
    const { named } = await photos(user);
    failure = new EmbeddingError('Replicate answered 503', 'unavailable');
    const expected = { found: [[named, 'words']], meaning: 'unavailable' };
    expect(await find(user, 'q=boat+jpg')).toMatchObject(expected);
    expect(await find(user, 'q=jpg+boat')).toMatchObject(expected);
    expect(asked).toHaveLength(1);
    const { status, headers, body } = await user.call('GET', '/api/search?q=jpg&mode=meaning');
    expect([status, body.code]).toEqual([503, 'unavailable']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(JSON.stringify(body)).not.toContain('Replicate');
    failure = undefined;
    app.advance(10_000);
    expect(await find(user, 'q=boat+jpg')).toMatchObject({ meaning: 'used' });
  });

  test('compares only vectors of its own model', async () => {
    const user = app.user();
    const { sail } = await photos(user);
    await addEmbedded(app.database, user.id, [Float32Array.of(1, 0, 0)], { model: 'older' });
    await addEmbedded(app.database, user.id, [Float32Array.of(1, 0)], { model: 'shorter' });
    const { found } = await find(user, 'q=boat&mode=meaning');
    expect(found).toHaveLength(3);
    expect(found[0]).toEqual([sail, 'meaning']);
  });

  test('finds nothing of other users', async () => {
    await photos(app.user());
    expect((await find(app.user(), 'q=boat')).found).toEqual([]);
  });
});

describe('search for a text, where the embedder knows no words', () => {
  test('goes by words, and says that it cannot by meaning', async () => {
    const user = plain.user();
    const { named } = await photos(user, plain);
    const expected = { found: [[named, 'words']], meaning: 'unsupported' };
    expect(await find(user, 'q=boat')).toMatchObject(expected);
    const { status, body } = await user.call('GET', '/api/search?q=boat&mode=meaning');
    expect([status, body.code]).toEqual([400, 'invalid_request']);
    expect(body.detail).toMatch(/^mode: /);
  });

  test.each(['mode=words', 'q=a&like=0b8e7f1c-4c0e-4d53-9c0c-000000000000', 'q=a&mode=best'])(
    'refuses %s',
    async (query) => {
      const { status, body } = await plain.user().call('GET', `/api/search?${query}`);
      expect([status, body.code]).toEqual([400, 'invalid_request']);
    },
  );
});

describe('search by likeness', () => {
  test('fills its answer though some of the nearest were deleted', async () => {
    const user = app.user();
    const { sail, puppy, named } = await photos(user);
    expect((await find(user, `like=${sail}`)).found).toEqual([
      [puppy, 'likeness'],
      [named, 'likeness'],
    ]);
    await app.database.db
      .deleteFrom('assets')
      .where('id', '=', puppy ?? '')
      .execute();
    expect((await find(user, `like=${sail}&limit=1`)).found).toEqual([[named, 'likeness']]);
    expect(
      assetsResponseSchema.parse((await user.call('GET', '/api/assets')).body).assets,
    ).toHaveLength(2);
  });
});
