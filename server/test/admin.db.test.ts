import { createHash, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { AdminStatus } from '../src/admin/status.ts';
import { originalKey } from '../src/blobs/keys.ts';
import { createLocalVisualEmbedder } from '../src/embeddings/local-visual.ts';
import { createPgBossQueue } from '../src/jobs/pg-boss-queue.ts';
import { createWorkers } from '../src/jobs/workers.ts';
import { silentLogger } from '../src/logging.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';
import { jpeg, startTestServer, type TestServer } from './fixtures/test-server.ts';

const TOKEN = 'an-operator-token-of-more-than-32-characters';
const OPERATOR = { authorization: `Bearer ${TOKEN}` };

let app: TestServer;
const logger = recordingLogger();
beforeAll(async () => {
  app = await startTestServer({ operatorToken: TOKEN, logger });
});
afterAll(() => app.close());

const get = (path: string, headers: HeadersInit = {}) => fetch(`${app.apiUrl}${path}`, { headers });

async function status() {
  // A look is shared for two seconds.
  app.advance(3000);
  return (await get('/admin/api/status', OPERATOR)).json() as Promise<AdminStatus>;
}

const redrive = (body: object, headers: HeadersInit = OPERATOR) =>
  fetch(`${app.apiUrl}/admin/api/redrive`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

async function seed(user: string, count: number, fields: { processed: boolean; code?: string }) {
  const { processed, code } = fields;
  const problem = code === undefined ? null : JSON.stringify({ code, detail: 'as told' });
  await sql`insert into assets (id, user_id, key, filename, mime_type, size, checksum, search_words,
      processed, failed, processing_error, embedding_error, created_at)
    select gen_random_uuid(), ${user}, ${originalKey(user, randomUUID(), 0)}, 'a.jpg', 'image/jpeg', 1,
      encode(sha256(gen_random_uuid()::text::bytea), 'hex'), 'a', ${processed},
      ${problem !== null}, ${processed ? null : problem}::jsonb, ${processed ? problem : null}::jsonb,
      now() - interval '100 seconds'
    from generate_series(1, ${count}::int)`.execute(app.database.db);
}

describe('the operator’s page', () => {
  test('runs its own script and style only, by their hashes, and calls only its own host', async () => {
    const answer = await get('/admin');
    expect(answer.status).toBe(200);
    const html = await answer.text();
    const policy = answer.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
    for (const tag of ['script', 'style']) {
      const [, text = ''] = new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(html) ?? [];
      const hash = createHash('sha256').update(text).digest('base64');
      expect(policy).toContain(`${tag}-src 'sha256-${hash}'`);
    }
    expect(html).not.toMatch(/(?:src|href)="(?!data:,")/);
    expect(html).not.toMatch(/https?:\/\//);
    expect(html).not.toMatch(/ style="| on\w+="/);
    expect(html).not.toContain(TOKEN);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  test('and its API do not exist without a token', async () => {
    const closed = await startTestServer();
    for (const path of ['/admin', '/admin/api/status']) {
      expect((await fetch(`${closed.apiUrl}${path}`, { headers: OPERATOR })).status).toBe(404);
    }
    const { status } = await closed.user().call('POST', '/admin/api/redrive', {}, OPERATOR);
    expect(status).toBe(404);
    await closed.close();
  });

  test('a missing or wrong token is 401, a user’s own session is no token', async () => {
    const wrong: HeadersInit[] = [
      {},
      { authorization: 'Bearer x' },
      { authorization: `Bearer ${TOKEN}x` },
      { authorization: `Basic ${TOKEN}` },
      { 'x-user': 'ada' },
      { cookie: `token=${TOKEN}` },
    ];
    for (const headers of wrong) {
      expect((await get('/admin/api/status', headers)).status).toBe(401);
      expect((await redrive({ code: 'undecodable' }, headers)).status).toBe(401);
    }
    expect((await get(`/admin/api/status?token=${TOKEN}`)).status).toBe(401);
    expect(JSON.stringify(logger.lines)).not.toContain(TOKEN);
  });

  test('has counts, ages, rates and causes over all users, and names none of them', async () => {
    await seed('ada', 3, { processed: false });
    await seed('bob', 2, { processed: true });
    await seed('ada', 4, { processed: false, code: 'undecodable' });
    await seed('bob', 1, { processed: false, code: 'undecodable' });
    await seed('bob', 2, { processed: true, code: 'embedding_failed' });
    const seen = await status();
    expect(seen.totals).toEqual({ assets: 12, searchable: 0, failed: 7, pendingUploads: 0 });
    expect(seen.queues).toMatchObject([
      { name: 'process', waiting: 3 },
      { name: 'embed', waiting: 2 },
    ]);
    for (const { oldestAgeSeconds } of seen.queues) {
      expect(oldestAgeSeconds).toBeGreaterThan(99);
      expect(oldestAgeSeconds).toBeLessThan(200);
    }
    expect(seen.rates).toEqual({ arrived: 2.4, searchable: 0, failed: 1.4 });
    expect(seen.failures).toMatchObject([
      { code: 'undecodable', stage: 'process', count: 5 },
      { code: 'embedding_failed', stage: 'embed', count: 2 },
    ]);
    expect(JSON.stringify(seen)).not.toMatch(/ada|bob/);
  });

  test('redrives a cause over all users, once, and says so in the log', async () => {
    const first = await redrive({ code: 'undecodable', limit: 2 });
    expect(await first.json()).toEqual({ redriven: 2, remaining: 3 });
    const both = await Promise.all([
      redrive({ code: 'undecodable' }),
      redrive({ code: 'undecodable' }),
    ]);
    const counts = (await Promise.all(both.map((answer) => answer.json()))) as {
      redriven: number;
    }[];
    expect(counts.reduce((sum, { redriven }) => sum + redriven, 0)).toBe(3);
    const { rows } = await sql<{ n: number }>`select count(*) as n from test_jobs`.execute(
      app.database.db,
    );
    expect(rows[0]?.n).toBe(5);
    expect((await status()).failures).toMatchObject([{ code: 'embedding_failed', count: 2 }]);
    expect(
      logger.lines.some(({ message }) => message === '[Admin] redrove 2 assets by cause'),
    ).toBe(true);
    expect((await redrive({})).status).toBe(400);
    expect((await redrive({ code: 'undecodable', limit: 10_001 })).status).toBe(400);
  });

  test('shows each worker while it lives and each sweep with its outcome', async () => {
    await app.server.sweep();
    const queue = createPgBossQueue({ database: app.database, logger: silentLogger });
    await queue.start();
    const workers = createWorkers({
      database: app.database,
      queue,
      blobs: app.store,
      embedder: createLocalVisualEmbedder(),
      changes: app.server.changes,
      logger: silentLogger,
      processConcurrency: 3,
    });
    await workers.start();
    const seen = await status();
    expect(seen.workers).toMatchObject([
      { pid: process.pid, processConcurrency: 3, embedConcurrency: 2, isAlive: true },
    ]);
    expect(seen.sweeps).toMatchObject([{ name: 'uploads', swept: 0, error: null }]);

    // As a worker that was killed leaves it.
    await sql`update workers set seen_at = now() - interval '1 minute'`.execute(app.database.db);
    expect((await status()).workers).toMatchObject([{ isAlive: false, seenSecondsAgo: 60 }]);
    await workers.stop(0);
    expect((await status()).workers).toEqual([]);
  });

  test('a sweep that fails is shown as failed, by its kind only', async () => {
    const failing = vi.spyOn(app.store, 'delete').mockRejectedValue(new TypeError('bucket-name'));
    const user = app.user();
    await user.upload(jpeg('left.jpg'));
    app.advance(3 * 24 * 3600_000);
    await expect(app.server.sweep()).rejects.toThrow('bucket-name');
    failing.mockRestore();
    expect((await status()).sweeps).toMatchObject([{ name: 'uploads', error: 'TypeError' }]);
  });
});
