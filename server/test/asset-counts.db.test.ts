import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { changeAssets, changed } from '../src/database/change-assets.ts';
import type { OpenDatabase } from '../src/database/open-database.ts';
import type { Database } from '../src/database/schema.ts';
import { createStatsReader } from '../src/library/stats.ts';
import { openTestDatabase, run } from './fixtures/databases.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let database: OpenDatabase;
let db: Database;
beforeAll(async () => {
  database = await openTestDatabase();
  ({ db } = database);
});
afterAll(() => database.close());
beforeEach(() => run(db, 'truncate assets cascade'));

const USERS = ['ada', 'bob', 'eve'];

/** The counts that are kept, beside those that a count of all rows gives. */
async function expectCountsRight(): Promise<void> {
  const { rows } = await sql`select user_id, count(*) as total,
      count(*) filter (where processed) as processed, count(*) filter (where embedded) as embedded,
      count(*) filter (where failed) as failed
    from assets group by user_id order by user_id`.execute(db);
  const kept = await db
    .selectFrom('asset_counts')
    .selectAll()
    .where('total', '<>', 0)
    .orderBy('user_id')
    .execute();
  expect(kept).toEqual(rows);
  const empty = db.selectFrom('asset_counts').selectAll().where('total', '=', 0);
  for (const row of await empty.execute()) {
    expect(row).toMatchObject({ processed: 0, embedded: 0, failed: 0 });
  }
}

function rowOf(userId: string, flags: { processed: boolean; embedded: boolean; failed: boolean }) {
  const id = randomUUID();
  return {
    ...{ id, user_id: userId, key: `k/${id}`, filename: 'a.jpg', path: null, ...flags },
    ...{ mime_type: 'image/jpeg', size: 1, checksum: id, search_words: 'a' },
  };
}

const flags = fc.record({ processed: fc.boolean(), embedded: fc.boolean(), failed: fc.boolean() });
const part = fc.integer({ min: 1, max: 5 });
const step = fc.oneof(
  fc.record({
    kind: fc.constant('insert' as const),
    rows: fc.array(fc.record({ userId: fc.constantFrom(...USERS), flags }), { minLength: 1 }),
    isRolledBack: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('repeat' as const) }),
  fc.record({ kind: fc.constant('change' as const), part, flags, isRolledBack: fc.boolean() }),
  fc.record({ kind: fc.constant('give away' as const), part, userId: fc.constantFrom(...USERS) }),
  fc.record({ kind: fc.constant('delete' as const), part }),
  fc.record({ kind: fc.constant('upsert' as const), part, flags }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

class RollBack extends Error {}

/** A part of all assets: every n-th by its id. */
const everyNth = (n: number) => sql<boolean>`abs(hashtext(id::text)) % ${n} = 0`;

async function take(action: Step): Promise<void> {
  const inTransaction = (isRolledBack: boolean, work: (tx: Database) => Promise<unknown>) =>
    db
      .transaction()
      .execute(async (tx) => {
        await work(tx);
        if (isRolledBack) throw new RollBack();
      })
      .catch((error: unknown) => {
        if (!(error instanceof RollBack)) throw error;
      });
  switch (action.kind) {
    case 'insert': {
      const rows = action.rows.map((row) => rowOf(row.userId, row.flags));
      return inTransaction(action.isRolledBack, (tx) =>
        tx.insertInto('assets').values(rows).execute(),
      );
    }
    case 'repeat':
      await sql`insert into assets (id, user_id, key, filename, mime_type, size, checksum, search_words)
        select gen_random_uuid(), user_id, key, filename, mime_type, size, checksum, ''
        from assets on conflict (user_id, checksum) do nothing`.execute(db);
      return;
    case 'change':
      return inTransaction(action.isRolledBack, (tx) =>
        tx
          .updateTable('assets')
          .set({ ...action.flags, ...changed() })
          .where(everyNth(action.part))
          .execute(),
      );
    case 'give away':
      await db
        .updateTable('assets')
        .set({ user_id: action.userId })
        .where(everyNth(action.part))
        .execute();
      return;
    case 'delete':
      await db.deleteFrom('assets').where(everyNth(action.part)).execute();
      return;
    case 'upsert': {
      const { processed, embedded, failed } = action.flags;
      await sql`insert into assets (id, user_id, key, filename, mime_type, size, checksum, search_words)
        select gen_random_uuid(), user_id, key, filename, mime_type, size, checksum, ''
        from assets where ${everyNth(action.part)}
        on conflict (user_id, checksum) do update
          set processed = ${processed}, embedded = ${embedded}, failed = ${failed}`.execute(db);
    }
  }
}

describe('the counts of a user', () => {
  it('are those of the rows, whatever is done to them', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        await run(db, 'truncate assets cascade');
        for (const action of steps) {
          await take(action);
          await expectCountsRight();
        }
      }),
      { numRuns: 40 },
    );
  });

  it('are those of the rows after many changes at the same time', async () => {
    const assets = Array.from({ length: 60 }, (_, at) =>
      rowOf(USERS[at % 3] ?? '', { processed: false, embedded: false, failed: false }),
    );
    await db.insertInto('assets').values(assets).execute();
    const change = (at: number) =>
      changeAssets(db, [...USERS].reverse(), (tx) =>
        tx
          .updateTable('assets')
          .set({ processed: at % 2 === 0, failed: at % 3 === 0, ...changed() })
          .where('id', 'in', [assets[at % 60]?.id ?? '', assets[(at * 7) % 60]?.id ?? ''])
          .execute(),
      );
    await Promise.all(Array.from({ length: 100 }, (_, at) => change(at)));
    await expectCountsRight();
  });

  it('are answered as they are, zeros where there is nothing', async () => {
    let nowMs = 0;
    const stats = createStatsReader(db, () => {
      nowMs += 60_000;
      return nowMs;
    });
    const none = { total: 0, uploaded: 0, processed: 0, embedded: 0, failed: 0 };
    expect(await stats.read('ada')).toEqual(none);
    await db
      .insertInto('assets')
      .values([
        rowOf('ada', { processed: true, embedded: true, failed: false }),
        rowOf('ada', { processed: false, embedded: false, failed: true }),
        rowOf('bob', { processed: true, embedded: false, failed: false }),
      ])
      .execute();
    const ada = { total: 2, uploaded: 2, processed: 1, embedded: 1, failed: 1 };
    expect(await stats.read('ada')).toEqual(ada);
  });
});
