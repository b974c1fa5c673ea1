import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { sql } from 'kysely';
import { afterEach, expect, test, vi } from 'vitest';
import WebSocket from 'ws';
import { openPostgresDatabase } from '../src/database/postgres-database.ts';
import { createPgBossQueue } from '../src/jobs/pg-boss-queue.ts';
import { silentLogger } from '../src/logging.ts';
import { maxShutDownMs, shutDown, shutDownOnSignal } from '../src/shut-down.ts';
import { createPostgresDatabase } from './fixtures/databases.ts';
import { readEvents } from './fixtures/event-reader.ts';

vi.setConfig({ testTimeout: 60_000, expect: { poll: { timeout: 15_000 } } });

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function startProcess(url: string) {
  const dir = await mkdtemp(join(tmpdir(), 'bulkhead-shut-down-'));
  ends.push(() => rm(dir, { recursive: true }));
  const script = join(import.meta.dirname, 'fixtures/server-process.ts');
  const child = spawn(process.execPath, ['--conditions=bulkhead-source', script, url, dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  ends.push(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  // biome-ignore lint/suspicious/noExplicitAny: lines of several shapes
  const lines: any[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line)));
  await expect.poll(() => lines.find((line) => 'apiUrl' in line)).toBeDefined();
  const { apiUrl } = lines.find((line) => 'apiUrl' in line) as { apiUrl: string };
  return { child, exited, lines, apiUrl };
}

test('SIGTERM: not ready first, streams told to come back, requests answered, jobs given back', async () => {
  const { url, drop } = await createPostgresDatabase();
  ends.push(drop);
  const { child, exited, lines, apiUrl } = await startProcess(url);
  const database = await openPostgresDatabase({ url, logger: silentLogger });
  ends.push(database.close);

  const queue = createPgBossQueue({ database, logger: silentLogger });
  await queue.start();
  const assetId = randomUUID();
  await database.db.transaction().execute((tx) => queue.enqueue(tx, 'process', [{ assetId }]));
  await expect.poll(() => lines).toContainEqual({ began: assetId });

  const stream = await readEvents(`${apiUrl}/api/sse/processing-updates`, { 'x-user': 'ada' });
  await expect.poll(() => stream.progress().length).toBe(1);
  const socket = new WebSocket(`${apiUrl.replace('http', 'ws')}/api/ws/processing-updates`, {
    headers: { 'x-user': 'ada' },
  });
  const closed = once(socket, 'close').then(([code]) => code);
  await once(socket, 'open');
  const slow = fetch(`${apiUrl}/api/assets`, { headers: { 'x-user': 'ada', 'x-wait': '2000' } });
  await expect.poll(() => lines).toContainEqual({ waiting: true });

  const startedMs = performance.now();
  child.kill('SIGTERM');
  // Streams still run while balancers find out.
  await expect.poll(async () => (await fetch(`${apiUrl}/readyz`)).status).toBe(503);
  expect(await (await fetch(`${apiUrl}/readyz`)).json()).toMatchObject({ failed: ['shutdown'] });
  expect((await fetch(`${apiUrl}/api/assets`, { headers: { 'x-user': 'ada' } })).status).toBe(200);

  expect(await stream.ended).toBe('ended');
  expect(stream.retries.at(0)).toBe(2000);
  expect(stream.retries).toHaveLength(2);
  expect(stream.retries.at(-1)).toBeGreaterThanOrEqual(2000);
  expect(stream.retries.at(-1)).toBeLessThanOrEqual(6000);
  expect(await closed).toBe(1012);
  const answer = await slow;
  expect(answer.status).toBe(200);
  expect(await answer.json()).toMatchObject({ assets: [] });
  await expect(fetch(`${apiUrl}/healthz`)).rejects.toThrow();

  const [code] = await exited;
  expect(code).toBe(0);
  expect(performance.now() - startedMs).toBeLessThan(15_000);
  // Given back, not left to its lease: `retry`, or taken again already.
  const { rows } = await sql<{ state: string }>`select state from pgboss.job
    where singleton_key = ${assetId}`.execute(database.db);
  expect(rows).toEqual([{ state: 'retry' }]);
  await queue.stop(0);
});

test('what one step throws is told in the end, and the database is closed all the same', async () => {
  const done: string[] = [];
  const step =
    (name: string, isFailing = false) =>
    async () => {
      done.push(name);
      if (isFailing) throw new Error(name);
    };
  const parts = {
    server: { drain: () => void done.push('drain'), close: step('server', true) },
    listenings: [{ apiUrl: '', storeUrl: '', close: step('listening') }],
    workers: { stop: step('workers', true) },
    closeOthers: step('others'),
    database: { close: step('database') },
  };
  const error = await shutDown(parts).catch((thrown: unknown) => thrown);
  expect((error as AggregateError).errors.map(({ message }) => message)).toEqual([
    'server',
    'workers',
  ]);
  expect(done).toEqual(['drain', 'server', 'listening', 'workers', 'others', 'database']);
});

test('a drain counts beside the time that a shutdown may take, not against it', () => {
  vi.useFakeTimers();
  const handlers = new Map<unknown, () => void>();
  vi.spyOn(process, 'on').mockImplementation((signal, handler) => {
    handlers.set(signal, handler as () => void);
    return process;
  });
  const exit = vi.spyOn(process, 'exit').mockImplementation((() => {}) as () => never);
  ends.push(async () => {
    vi.restoreAllMocks();
    vi.useRealTimers();
  });
  const errors: unknown[] = [];
  const never = new Promise<void>(() => {});
  shutDownOnSignal(
    () => never,
    (error) => errors.push(error),
    maxShutDownMs(300_000),
  );
  handlers.get('SIGTERM')?.();
  vi.advanceTimersByTime(329_999);
  expect(exit).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(exit).toHaveBeenCalledWith(1);
  expect(errors).toEqual([new Error('The shutdown took longer than 330000 ms')]);
});
