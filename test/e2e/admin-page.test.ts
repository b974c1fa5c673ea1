import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  createBulkheadServer,
  createFileSystemStore,
  createPgBossQueue,
  type EmbeddedDatabase,
  type Listening,
  listen,
  type Queue,
  silentLogger,
} from '@bulkhead/server';
import { sql } from 'kysely';
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import {
  createWorkerRegistry,
  type WorkerRegistry,
} from '../../server/src/jobs/worker-registry.ts';
import { openEmbeddedCopy } from '../../server/test/fixtures/embedded-copies.ts';
import { launchBrowser } from './demo-browser.ts';

const TOKEN = 'an-operator-token-of-more-than-32-characters';
/** Where pictures for the documentation go; the tests do not need them. */
const pictures = process.env.BULKHEAD_SCREENSHOTS;

let dir: string;
let database: EmbeddedDatabase;
let queue: Queue;
let registry: WorkerRegistry;
let server: ReturnType<typeof createBulkheadServer>;
let listening: Listening;
let browser: Browser;

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'bulkhead-admin-'));
  database = await openEmbeddedCopy(inject('templateFolder'));
  queue = createPgBossQueue({ database, logger: silentLogger });
  await queue.start();
  const store = await createFileSystemStore({
    dir,
    publicUrl: () => listening.storeUrl,
    secret: 'a secret for tests, of more than 32 bytes',
  });
  server = createBulkheadServer({
    database,
    queue,
    blobStore: store,
    logger: silentLogger,
    authorize: async () => null,
    operatorToken: TOKEN,
  });
  listening = await listen({ api: server.fetch, store: store.fetch });
  registry = createWorkerRegistry(database.db, silentLogger);
  await registry.start({ process: 2, embed: 2 });
  await server.sweep();
  await seed();
  browser = await launchBrowser();
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
  await listening?.close();
  await registry?.stop();
  await queue?.stop(0);
  await database?.close();
  await rm(dir, { recursive: true, force: true });
});

/** A library under way: 2,000 failures by five causes, and both stages with a backlog. */
async function seed(): Promise<void> {
  const { db } = database;
  const add = async (
    count: number,
    fields: { processed: boolean; embedded?: boolean },
    code = '',
  ) => {
    const problem = code === '' ? null : JSON.stringify({ code, detail: 'as seeded' });
    const { processed, embedded = false } = fields;
    const { rows } = await sql<{ id: string }>`
      insert into assets (id, user_id, key, filename, mime_type, size, checksum, search_words,
        processed, embedded, failed, processing_error, embedding_error, created_at, updated_at)
      select gen_random_uuid(), 'user-' || n % 7, 'k', 'a.jpg', 'image/jpeg', 1,
        encode(sha256(gen_random_uuid()::text::bytea), 'hex'), 'a', ${processed}, ${embedded},
        ${problem !== null}, ${processed ? null : problem}::jsonb,
        ${processed ? problem : null}::jsonb,
        now() - n * interval '400 milliseconds', now() - n * interval '300 milliseconds'
      from generate_series(1, ${count}::int) as n returning id`.execute(db);
    if (problem !== null || embedded) return;
    const jobs = rows.map(({ id }) => ({ assetId: id }));
    await db
      .transaction()
      .execute((tx) => queue.enqueue(tx, processed ? 'embed' : 'process', jobs));
  };
  await add(6200, { processed: true, embedded: true });
  await add(430, { processed: false });
  await add(1220, { processed: true });
  await add(1180, { processed: true }, 'max_retries_exceeded');
  await add(510, { processed: false }, 'undecodable');
  await add(205, { processed: true }, 'embedding_failed');
  await add(83, { processed: false }, 'too_many_pixels');
  await add(22, { processed: false }, 'missing_blob');
}

async function open(options: Parameters<Browser['newContext']>[0] = {}) {
  const context = await browser.newContext({ viewport: { width: 1080, height: 960 }, ...options });
  const page = await context.newPage();
  const problems: string[] = [];
  const foreign: string[] = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().includes('401'))
      problems.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(listening.apiUrl) && !request.url().startsWith('data:')) {
      foreign.push(request.url());
    }
  });
  await page.goto(`${listening.apiUrl}/admin`);
  return { page, problems, foreign, close: () => context.close() };
}

async function logIn(page: Page): Promise<void> {
  await page.keyboard.type(TOKEN);
  await page.keyboard.press('Enter');
  await page.waitForSelector('#failures button');
}

const failures = (page: Page) =>
  page.$$eval('#failures tr', (rows) =>
    rows.map((row) => `${row.querySelector('code')?.textContent} ${row.children[2]?.textContent}`),
  );

describe('the operator’s page', () => {
  it('asks for the token, keeps it in the tab only, and shows what is there', async () => {
    const { page, problems, foreign, close } = await open();
    await page.keyboard.type('not the token');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() =>
      document.querySelector('#login-error')?.textContent?.includes('not the right one'),
    );
    await logIn(page);
    expect(await failures(page)).toEqual([
      'max_retries_exceeded 1,180',
      'undecodable 510',
      'embedding_failed 205',
      'too_many_pixels 83',
      'missing_blob 22',
    ]);
    expect(await page.textContent('#totals')).toContain('2,000');
    expect(await page.textContent('#queues')).toContain('1,220');
    expect(await page.textContent('#workers')).toContain('alive');
    expect(page.url()).not.toContain(TOKEN);
    expect(await page.evaluate(() => [localStorage.length, document.cookie])).toEqual([0, '']);
    await page.reload();
    await page.waitForSelector('#failures button');
    expect(problems).toEqual([]);
    expect(foreign).toEqual([]);
    await close();
  });

  it.each(['light', 'dark'] as const)(
    'fits 400 px without scrolling sideways (%s)',
    async (scheme) => {
      const { page, close } = await open({
        viewport: { width: 400, height: 900 },
        colorScheme: scheme,
      });
      await logIn(page);
      const [width, visible] = await page.evaluate(() => [
        document.documentElement.scrollWidth,
        document.documentElement.clientWidth,
      ]);
      expect(width).toBeLessThanOrEqual(visible ?? 0);
      if (pictures) {
        await page.screenshot({
          path: path.join(pictures, `narrow-${scheme}.png`),
          fullPage: true,
        });
      }
      await close();
      if (!pictures) return;
      const wide = await open({ colorScheme: scheme });
      await logIn(wide.page);
      const file = path.join(pictures, `admin-${scheme}.png`);
      await wide.page.screenshot({ path: file, fullPage: true });
      await wide.page.click('#failures button');
      await wide.page.screenshot({ path: path.join(pictures, `ask-${scheme}.png`) });
      await wide.close();
    },
  );

  it('redrives a cause by keyboard, after a warning that can be refused', async () => {
    const { page, problems, close } = await open();
    await logIn(page);
    const tabTo = async (name: string) => {
      for (let i = 0; i < 20; i++) {
        const label = await page.evaluate(
          () => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.id,
        );
        if (label?.includes(name)) return;
        await page.keyboard.press('Tab');
      }
      throw new Error(`${name} cannot be reached by Tab`);
    };
    await tabTo('missing_blob');
    await page.keyboard.press('Enter');
    expect(await page.textContent('#ask')).toContain('cannot be undone');
    // What is meant to be the harmless answer has the focus.
    await page.keyboard.press('Enter');
    expect(await page.isVisible('#ask')).toBe(false);
    await tabTo('missing_blob');
    await page.keyboard.press('Enter');
    await tabTo('ask-yes');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() =>
      document.querySelector('#notice')?.textContent?.includes('Redrove 22 assets'),
    );
    // A look at the database is shared for two seconds; the page looks again by itself.
    await page.waitForFunction(
      () => !document.querySelector('#failures')?.textContent?.includes('missing_blob'),
      undefined,
      { timeout: 20_000 },
    );
    expect(await queue.depth('process')).toBe(430 + 22);
    expect(problems).toEqual([]);
    await close();
  });

  it('says since when it has no answer, and forgets the token when told to', async () => {
    const { page, close } = await open();
    await logIn(page);
    await page.route('**/admin/api/status', (route) => route.abort());
    await page.waitForSelector('#updated.stale', { timeout: 20_000 });
    await page.unroute('**/admin/api/status');
    await page.waitForSelector('#updated:not(.stale)', { timeout: 20_000 });
    await page.click('#log-out');
    expect(await page.isVisible('#login')).toBe(true);
    expect(await page.isVisible('#content')).toBe(false);
    expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
    await close();
  });
});
