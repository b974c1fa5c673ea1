import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jpeg, startTestServer, type TestServer, type TestUser } from './fixtures/test-server.ts';

let app: TestServer;
beforeAll(async () => {
  app = await startTestServer({ limits: { rateLimitCapacity: 10 } });
});
afterAll(() => app.close());

/** Assets that failed so, as the workers leave them. */
async function fail(user: TestUser, code: string, stage: 'process' | 'embed', count: number) {
  const problem = JSON.stringify({ code, detail: 'as told' });
  const isEmbed = stage === 'embed';
  await sql`insert into assets (id, user_id, key, filename, mime_type, size, checksum, search_words,
      processed, failed, processing_error, embedding_error, processing_retry_count, created_at)
    select gen_random_uuid(), ${user.id}, 'k', 'a.jpg', 'image/jpeg', 1,
      encode(sha256(gen_random_uuid()::text::bytea), 'hex'), 'a', ${isEmbed}, true,
      ${isEmbed ? null : problem}::jsonb, ${isEmbed ? problem : null}::jsonb, 5,
      now() + n * interval '1 millisecond'
    from generate_series(1, ${count}::int) as n`.execute(app.database.db);
}

const redrive = (user: TestUser, body: object) =>
  user.call('POST', '/api/assets/retry-processing', body);

async function failures(user: TestUser) {
  const { body } = await user.call('GET', '/api/dead-letters?limit=1');
  return body.causes.map((cause: Record<string, unknown>) => [
    cause.code,
    cause.stage,
    cause.count,
  ]);
}

describe('dead letters', () => {
  test('are counted by cause and stage, the most frequent first', async () => {
    const user = app.user();
    await fail(user, 'undecodable', 'process', 2);
    await fail(user, 'max_retries_exceeded', 'process', 1);
    await fail(user, 'max_retries_exceeded', 'embed', 3);
    await user.finalize(await user.upload(jpeg('alive.jpg')));
    expect(await failures(user)).toEqual([
      ['max_retries_exceeded', 'embed', 3],
      ['undecodable', 'process', 2],
      ['max_retries_exceeded', 'process', 1],
    ]);
    const { body } = await user.call('GET', '/api/dead-letters');
    expect(Date.parse(body.causes[0].lastFailedAt)).toBeGreaterThan(Date.now() - 60_000);
  });

  test('are walked through once in pages, of all causes or of one', async () => {
    const user = app.user();
    await fail(user, 'undecodable', 'process', 5);
    await fail(user, 'embedding_failed', 'embed', 4);
    const walk = async (filter: string) => {
      const seen: string[] = [];
      let cursor: string | null = '';
      while (cursor !== null) {
        const query: string = `?limit=2${filter}${cursor && `&cursor=${cursor}`}`;
        const { status, body } = await user.call('GET', `/api/dead-letters${query}`);
        expect(status).toBe(200);
        seen.push(...body.deadLetters.map((asset: { id: string }) => asset.id));
        cursor = body.nextCursor;
      }
      expect(new Set(seen).size).toBe(seen.length);
      return seen.length;
    };
    expect(await walk('')).toBe(9);
    expect(await walk('&code=undecodable')).toBe(5);
    expect(await walk('&stage=embed')).toBe(4);
    expect(await walk('&stage=embed&code=undecodable')).toBe(0);
  });

  test('T33: a redrive takes the owner’s of that cause only, once, and at most so many', async () => {
    const user = app.user();
    const other = app.user();
    for (const who of [user, other]) {
      await fail(who, 'undecodable', 'process', 5);
      await fail(who, 'embedding_failed', 'embed', 2);
    }
    expect((await redrive(user, { code: 'undecodable', limit: 3 })).body).toEqual({
      redriven: 3,
      remaining: 2,
    });
    const runs = await Promise.all(
      Array.from({ length: 5 }, () => redrive(user, { code: 'undecodable' })),
    );
    expect(runs.reduce((sum, { body }) => sum + body.redriven, 0)).toBe(2);
    const jobs = await user.jobs();
    expect(jobs).toHaveLength(5);
    expect(new Set(jobs.map((job) => job.asset_id)).size).toBe(5);
    expect(jobs.every(({ name, priority }) => name === 'process' && priority === 10)).toBe(true);
    expect(await failures(user)).toEqual([['embedding_failed', 'embed', 2]]);

    expect((await redrive(user, { stage: 'embed' })).body).toEqual({ redriven: 2, remaining: 0 });
    expect((await user.jobs()).filter(({ name }) => name === 'embed')).toHaveLength(2);
    expect(await other.jobs()).toEqual([]);
    expect(await failures(other)).toHaveLength(2);
  });

  test('T33: redrives are rate-limited, and a cause must be named', async () => {
    const user = app.user();
    expect((await redrive(user, {})).body.detail).toContain('Give code, stage, or both');
    expect((await redrive(user, { code: 'no_such_code' })).status).toBe(400);
    expect((await redrive(user, { code: 'undecodable', limit: 501 })).status).toBe(400);
    expect((await redrive(user, { code: 'undecodable', user_id: randomUUID() })).status).toBe(400);
    const statuses: number[] = [];
    for (let i = 0; i < 8; i++) {
      statuses.push((await redrive(user, { code: 'undecodable' })).status);
    }
    expect(statuses).toEqual([200, 200, 200, 200, 200, 200, 429, 429]);

    // One asset costs as much, whether there is one or not.
    const other = app.user();
    await fail(other, 'undecodable', 'process', 1);
    const [dead] = (await other.call('GET', '/api/dead-letters')).body.deadLetters;
    const single: number[] = [];
    for (const id of [dead.id, ...Array.from({ length: 11 }, () => randomUUID())]) {
      const answer = await other.call('POST', `/api/assets/${id}/retry-processing`);
      single.push(answer.status);
      if (answer.status === 429) expect(answer.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
    }
    expect(single).toEqual([200, ...Array(9).fill(404), 429, 429]);
  });

  test('get their attempts back, and watchers a new version', async () => {
    const user = app.user();
    await fail(user, 'processing_failed', 'process', 1);
    const before = (await user.call('GET', '/api/dead-letters')).body.deadLetters[0];
    await redrive(user, { stage: 'process' });
    const { asset } = (await user.call('GET', `/api/assets/${before.id}`)).body;
    expect(asset).toMatchObject({ stage: 'processing', processingError: null });
    expect(asset.version).toBeGreaterThan(before.version);
    const { processing_retry_count } = await app.database.db
      .selectFrom('assets')
      .select('processing_retry_count')
      .where('id', '=', before.id)
      .executeTakeFirstOrThrow();
    expect(processing_retry_count).toBe(0);
  });
});
