import { randomUUID } from 'node:crypto';
import { Kysely, PGliteDialect, PostgresDialect, sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { changeAssets, changed } from '../src/database/change-assets.ts';
import { migrationNames } from '../src/database/migrations.ts';
import type { OpenDatabase } from '../src/database/open-database.ts';
import { DatabaseError, openPostgresDatabase } from '../src/database/postgres-database.ts';
import type { Database, Schema } from '../src/database/schema.ts';
import { silentLogger } from '../src/logging.ts';
import { createPostgresDatabase, ENGINE, openTestDatabase } from './fixtures/databases.ts';

let database: OpenDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
}, 60_000);
afterAll(() => database.close());

async function addAsset(userId: string, db: Database = database.db): Promise<string> {
  const id = randomUUID();
  await db
    .insertInto('assets')
    .values({
      ...{ id, user_id: userId, key: `k/${id}`, filename: 'a.jpg', path: null },
      ...{ mime_type: 'image/jpeg', size: 1, checksum: id, search_words: 'a' },
    })
    .execute();
  return id;
}

function openAgain({ engine }: OpenDatabase): Database {
  return new Kysely<Schema>({
    dialect:
      engine.kind === 'pglite'
        ? new PGliteDialect({ pglite: engine.pglite })
        : new PostgresDialect({ pool: engine.pool }),
  });
}

describe('changeAssets', () => {
  it('lets a reader that has seen a version miss none before it', async () => {
    const userId = randomUUID();
    const ids = await Promise.all(Array.from({ length: 8 }, () => addAsset(userId)));
    // As in processes of their own, which do not know of one another.
    const processes = ids.map(() => openAgain(database));
    let versions: number[] = [];
    let seen = 0;
    let missed = 0;
    let isOver = false;
    const reading = (async () => {
      while (!isOver) {
        const rows = await database.db
          .selectFrom('assets')
          .select('version')
          .where('user_id', '=', userId)
          .orderBy('version')
          .execute();
        // What is new must be above everything that was seen; a row that moved on left no gap behind.
        const before = versions;
        versions = rows.map(({ version }) => version);
        const old = versions.filter((version) => version <= seen && !before.includes(version));
        missed += old.length;
        seen = versions.at(-1) ?? seen;
      }
    })();
    const change = (id: string, at: number) =>
      changeAssets(processes[at % processes.length] ?? database.db, [userId], async (tx) => {
        await tx.updateTable('assets').set(changed()).where('id', '=', id).execute();
        // Commits come in another order than versions are taken, if nothing holds them.
        await sql`select pg_sleep(${Math.random() / 200})`.execute(tx);
      });
    await Promise.all(
      ids.map(async (id, at) => {
        for (let round = 0; round < 10; round++) await change(id, at);
      }),
    );
    isOver = true;
    await reading;
    expect(missed).toBe(0);
  });

  it('does not let transactions of the same users, named in another order, wait for one another', async () => {
    const users = Array.from({ length: 5 }, () => randomUUID());
    const work = (ids: string[]) =>
      changeAssets(database.db, ids, (tx) => sql`select 1`.execute(tx));
    await Promise.all(
      Array.from({ length: 40 }, (_, at) => work(at % 2 ? users : [...users].reverse())),
    );
  });
});

describe('a change that the database rolls back', () => {
  it('is made again after a serialization failure, four times in all', async () => {
    const userId = randomUUID();
    let calls = 0;
    const failing = (times: number) =>
      changeAssets(database.db, [userId], async (tx) => {
        calls++;
        await addAsset(userId, tx);
        if (calls > times) return;
        await sql`do $$ begin raise exception 'no' using errcode = 'serialization_failure'; end $$`.execute(
          tx,
        );
      });
    await failing(3);
    expect(calls).toBe(4);
    const rows = database.db.selectFrom('assets').select('id').where('user_id', '=', userId);
    expect(await rows.execute()).toHaveLength(1);
    calls = 0;
    await expect(failing(100)).rejects.toMatchObject({ code: '40001' });
    expect(calls).toBe(4);
    expect(await rows.execute()).toHaveLength(1);
  });

  it('is not made again when it failed by itself', async () => {
    let calls = 0;
    const change = changeAssets(database.db, [randomUUID()], async (tx) => {
      calls++;
      await sql`select 1 / 0`.execute(tx);
    });
    await expect(change).rejects.toMatchObject({ code: '22012' });
    expect(calls).toBe(1);
  });
});

if (ENGINE === 'postgres') {
  describe('PostgreSQL', () => {
    it('ends a deadlock with both changes made', async () => {
      const users = [randomUUID(), randomUUID()];
      const ids = await Promise.all(users.map((userId) => addAsset(userId)));
      let calls = 0;
      let bothHold: (() => void) | undefined;
      const hold = new Promise<void>((resolve) => {
        bothHold = resolve;
      });
      const change = (userId: string, order: string[]) =>
        changeAssets(database.db, [userId], async (tx) => {
          for (const [at, id] of order.entries()) {
            await tx.updateTable('assets').set(changed()).where('id', '=', id).execute();
            if (at > 0) continue;
            if (++calls === 2) bothHold?.();
            await hold;
          }
        });
      await Promise.all([change(users[0] ?? '', ids), change(users[1] ?? '', [...ids].reverse())]);
      expect(calls).toBe(3);
    });

    it('keeps connections free while the changes of one user wait for one another', async () => {
      const { url, drop } = await createPostgresDatabase();
      const small = await openPostgresDatabase({
        ...{ url, maxConnections: 2, connectTimeoutMs: 200 },
        logger: silentLogger,
      });
      try {
        const order: number[] = [];
        const userId = randomUUID();
        const slow = Array.from({ length: 10 }, (_, at) =>
          changeAssets(small.db, [userId], async (tx) => {
            await sql`select pg_sleep(0.05)`.execute(tx);
            order.push(at);
            if (at === 3) throw new Error('one that fails holds nobody up');
          }),
        );
        // They take half a second together, and each would be refused after 200 ms.
        const others = Array.from({ length: 20 }, () => sql`select 1`.execute(small.db));
        await Promise.all(others);
        expect(order.length).toBeLessThan(5);
        const results = await Promise.allSettled(slow);
        expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1);
        expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      } finally {
        await small.close();
        await drop();
      }
    });

    it('says what to do when it cannot be reached, without the password', async () => {
      const url = 'postgres://ada:sesame@127.0.0.1:1/nowhere';
      const failure = await openPostgresDatabase({ url, logger: silentLogger }).catch(
        (error: unknown) => error,
      );
      expect(failure).toBeInstanceOf(DatabaseError);
      expect(String(failure)).toMatch(/cannot be reached.*Check DATABASE_URL/);
      expect(String(failure)).not.toContain('sesame');
    });

    it('hears signals of other processes, and says when some may be missing', async () => {
      const { url, drop } = await createPostgresDatabase();
      const open = () => openPostgresDatabase({ url, logger: silentLogger });
      const [mine, other] = [await open(), await open()];
      try {
        const heard: string[] = [];
        const onReconnect = vi.fn();
        const end = await mine.signals.listen('news', (text) => heard.push(text), onReconnect);
        await mine.signals.listen('weather', () => {});
        await other.signals.send('news', 'one');
        await vi.waitFor(() => expect(heard).toEqual(['one']), 10_000);
        await sql`select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'bulkhead-signals' and datname = current_database()`.execute(
          other.db,
        );
        await vi.waitFor(() => expect(onReconnect).toHaveBeenCalledOnce(), 5000);
        await other.signals.send('news', 'two');
        await vi.waitFor(() => expect(heard).toEqual(['one', 'two']), 10_000);
        await end();
        await other.signals.send('news', 'three');
        await new Promise((resolve) => setTimeout(resolve, 100));
        expect(heard).toEqual(['one', 'two']);
      } finally {
        await mine.close();
        await other.close();
        await drop();
      }
    });

    it('is migrated once when many processes start together', async () => {
      const { url, drop } = await createPostgresDatabase();
      const all = await Promise.all(
        Array.from({ length: 4 }, () => openPostgresDatabase({ url, logger: silentLogger })),
      );
      const { rows } = await sql`select name from bulkhead_migration order by name`.execute(
        all[0]?.db as never,
      );
      expect(rows).toEqual(migrationNames.map((name) => ({ name })));
      await Promise.all(all.map((one) => one.close()));
      await drop();
    });
  });
}
