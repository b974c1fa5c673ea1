import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DirectoryLockedError, lockDirectory } from '../src/database/directory-lock.ts';
import { type EmbeddedDatabase, openEmbeddedDatabase } from '../src/database/embedded-database.ts';
import { migrate } from '../src/database/migrations.ts';
import { USER_STAGE } from '../src/library/asset-stage.ts';
import { USER_WORDS } from '../src/library/user-words.ts';
import './fixtures/test-server.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bulkhead-lock-'));
});
afterAll(() => rm(dir, { recursive: true }));

const LOCK = 'bulkhead.lock.1';
const HOLDER = fileURLToPath(new URL('./fixtures/hold-directory.ts', import.meta.url));

async function holdInOtherProcess(): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['--conditions=bulkhead-source', HOLDER, dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (child.stdout) await once(child.stdout, 'data');
  return child;
}

describe('the directory lock', () => {
  test('keeps a second opening of the same process out, until the first gives it back', async () => {
    const unlock = await lockDirectory(dir);
    await expect(lockDirectory(dir)).rejects.toThrow(DirectoryLockedError);
    await unlock();
    const again = await lockDirectory(dir);
    await again();
    expect(await readdir(dir)).toEqual([]);
  });

  test('keeps a second process out, says what to do, and passes on at once when it is killed', async () => {
    const child = await holdInOtherProcess();
    const refusal = await lockDirectory(dir).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(DirectoryLockedError);
    expect(refusal).toMatchObject({ dir, pid: child.pid });
    expect(String(refusal)).toMatch(/stop that process, or give this one another directory/);
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    const unlock = await lockDirectory(dir);
    await unlock();
  });

  test('is not fooled by a dead process whose pid another one has now', async () => {
    const holder = { pid: process.pid, startedAt: 'another boot:1', token: 'x' };
    await writeFile(join(dir, LOCK), JSON.stringify(holder));
    const unlock = await lockDirectory(dir);
    await unlock();
  });

  test.each(['', 'not json', '{"pid":"1"}', 'null'])(
    'takes over the unreadable lock %j',
    async (text) => {
      await writeFile(join(dir, LOCK), text);
      const unlock = await lockDirectory(dir);
      await unlock();
      expect(await readdir(dir)).toEqual([]);
    },
  );

  test('of twenty who find a stale lock at once, one gets it', async () => {
    for (let round = 0; round < 5; round++) {
      await writeFile(join(dir, LOCK), '{"pid":4194305,"startedAt":null,"token":"dead"}');
      const results = await Promise.allSettled(
        Array.from({ length: 20 }, () => lockDirectory(dir)),
      );
      const held = results.filter((result) => result.status === 'fulfilled');
      expect(held).toHaveLength(1);
      await held[0]?.value();
    }
    expect(await readdir(dir)).toEqual([]);
  });

  test('gives back only what is its own', async () => {
    const unlock = await lockDirectory(dir);
    const other = JSON.stringify({ pid: process.pid, startedAt: null, token: 'other' });
    await writeFile(join(dir, LOCK), other);
    await unlock();
    expect(await readFile(join(dir, LOCK), 'utf8')).toBe(other);
    await rm(join(dir, LOCK));
  });
});

describe('the embedded database', () => {
  let database: EmbeddedDatabase;
  beforeAll(async () => {
    database = await openEmbeddedDatabase('memory');
  });
  afterAll(() => database?.close());

  test('is migrated, and migrating again changes nothing', async () => {
    const migrations = sql<{ name: string }>`select * from bulkhead_migration order by name`;
    const { rows } = await migrations.execute(database.db);
    expect(rows[0]?.name).toBe('001-uploads-assets-embeddings');
    await migrate(database.db);
    expect((await migrations.execute(database.db)).rows).toEqual(rows);
  });

  test('gives int8 as numbers, timestamps to the millisecond, and what was put into JSON', async () => {
    const at = new Date('2026-11-23T10:20:30.456Z');
    const { rows } = await sql`select ${Number.MAX_SAFE_INTEGER}::int8 as size,
      ${at}::timestamptz(3) as at, '{"code":"x"}'::jsonb as error`.execute(database.db);
    expect(rows).toEqual([{ size: Number.MAX_SAFE_INTEGER, at, error: { code: 'x' } }]);
  });

  test('makes room for what was updated', async () => {
    const { db } = database;
    const sizeOf = async () => {
      const { rows } = await sql<{
        bytes: number;
      }>`select pg_relation_size('uploads') as bytes`.execute(db);
      return rows[0]?.bytes ?? 0;
    };
    await sql`insert into uploads
        (id, user_id, client_id, key, filename, mime_type, size, checksum, expires_at)
      select gen_random_uuid(), 'ada', n::text, 'k', 'f', 'image/jpeg', 1, 'c', now()
      from generate_series(1, 2000) n`.execute(db);
    await database.vacuum();
    const sizes: number[] = [];
    for (let round = 0; round < 4; round++) {
      await sql`update uploads set is_duplicate = not is_duplicate`.execute(db);
      await database.vacuum();
      sizes.push(await sizeOf());
    }
    expect(sizes.at(-1)).toBe(sizes[0]);
    await sql`delete from uploads`.execute(db);
  });

  test('keeps what runs beside a transaction out of it', async () => {
    const { db } = database;
    await sql`create table beside (n integer)`.execute(db);
    let hasBegun = () => {};
    const begun = new Promise<void>((resolve) => {
      hasBegun = resolve;
    });
    const rolledBack = db.transaction().execute(async (tx) => {
      await sql`insert into beside values (1)`.execute(tx);
      hasBegun();
      await new Promise((resolve) => setTimeout(resolve, 50));
      throw new Error('rolled back');
    });
    const failure = expect(rolledBack).rejects.toThrow('rolled back');
    await begun;
    await sql`insert into beside values (2)`.execute(db);
    await failure;
    const { rows } = await sql`select n from beside`.execute(db);
    expect(rows).toEqual([{ n: 2 }]);
  });

  test('every list and queue is read by an index', async () => {
    const { db } = database;
    await sql`set enable_seqscan = off`.execute(db);
    const plan = async (query: string) => {
      const { rows } = await sql.raw<{ 'QUERY PLAN': string }>(`explain ${query}`).execute(db);
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    };
    for (const [query, index] of [
      [
        `select * from assets where ${USER_STAGE} = 'a:failed' order by created_at desc, id`,
        'stage',
      ],
      [`select * from assets where user_id = 'a' order by created_at desc, id limit 9`, 'page'],
      [`select * from assets where user_id = 'a' and version > 5 order by version`, 'changes'],
      [`select * from assets where ${USER_WORDS} @@ '''a'':*'::tsquery`, 'words'],
    ]) {
      expect(await plan(query ?? '')).toContain(`assets_${index}`);
    }
    expect(
      await plan(`select * from uploads where state = 'pending' and expires_at < now()`),
    ).toContain('uploads_expiry');
    await sql`reset enable_seqscan`.execute(db);
  });
});

test('on disk, what was written is there when it is opened again', async () => {
  const home = await mkdtemp(join(tmpdir(), 'bulkhead-pg-'));
  const first = await openEmbeddedDatabase(home);
  await expect(openEmbeddedDatabase(home)).rejects.toThrow(DirectoryLockedError);
  await sql`create table kept (n integer)`.execute(first.db);
  await sql`insert into kept values (7)`.execute(first.db);
  await first.close();
  await first.close();
  const second = await openEmbeddedDatabase(home);
  expect((await sql`select n from kept`.execute(second.db)).rows).toEqual([{ n: 7 }]);
  await second.close();
  await rm(home, { recursive: true });
});
