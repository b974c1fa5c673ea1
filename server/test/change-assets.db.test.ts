import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { changeAssets, changed } from '../src/database/change-assets.ts';
import type { OpenDatabase } from '../src/database/open-database.ts';
import { DatabaseError, openPostgresDatabase } from '../src/database/postgres-database.ts';
import { silentLogger } from '../src/logging.ts';
import { createPostgresDatabase, ENGINE, openTestDatabase } from './fixtures/databases.ts';

let database: OpenDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
}, 60_000);
afterAll(() => database.close());

async function addAsset(userId: string): Promise<string> {
  const id = randomUUID();
  await database.db
    .insertInto('assets')
    .values({
      ...{ id, user_id: userId, key: `k/${id}`, filename: 'a.jpg', path: null },
      ...{ mime_type: 'image/jpeg', size: 1, checksum: id, search_words: 'a' },
    })
    .execute();
  return id;
}

describe('changeAssets', () => {
  it('lets a reader that has seen a version miss none before it', async () => {
    const userId = randomUUID();
    const ids = await Promise.all(Array.from({ length: 8 }, () => addAsset(userId)));
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
    const change = (id: string) =>
      changeAssets(database.db, [userId], async (tx) => {
        await tx.updateTable('assets').set(changed()).where('id', '=', id).execute();
        // Commits come in another order than versions are taken, if nothing holds them.
        await sql`select pg_sleep(${Math.random() / 200})`.execute(tx);
      });
    await Promise.all(
      ids.map(async (id) => {
        for (let round = 0; round < 10; round++) await change(id);
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

describe.runIf(ENGINE === 'postgres')('PostgreSQL', () => {
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
      await vi.waitFor(() => expect(heard).toEqual(['one']));
      await sql`select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'bulkhead-signals' and datname = current_database()`.execute(
        other.db,
      );
      await vi.waitFor(() => expect(onReconnect).toHaveBeenCalledOnce(), 5000);
      await other.signals.send('news', 'two');
      await vi.waitFor(() => expect(heard).toEqual(['one', 'two']));
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
    const applied = sql<{ name: string }>`select name from bulkhead_migration`;
    const { rows } = await applied.execute(all[0]?.db as never);
    const names = rows.map(({ name }) => name);
    expect(names).toContain('001-uploads-assets-embeddings');
    expect(new Set(names).size).toBe(names.length);
    await Promise.all(all.map((one) => one.close()));
    await drop();
  });
});
