import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/**
 * One row of counts a user, beside a million assets: counting those takes a tenth of a second and more.
 * Triggers keep it, a statement at a time and in the statement's own transaction, so that no change of
 * an asset can forget it, and a rollback takes the counts with it. One user's changes run one after the
 * other as it is (`changeAssets`): waiting for the row costs nothing more.
 */
export const assetCountsMigration: Migration = {
  async up(db: Kysely<unknown>) {
    for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
  },
};

const ADDED = rowsOf('new_rows', '');
const REMOVED = rowsOf('old_rows', '-');

const STATEMENTS = [
  // Half of each page stays free: a row that is updated all the time then stays in its page, and its
  // old versions go without a vacuum.
  `create table asset_counts (
    user_id text primary key,
    total bigint not null,
    processed bigint not null,
    embedded bigint not null,
    failed bigint not null
  ) with (fillfactor = 50)`,
  `insert into asset_counts
    select user_id, count(*), count(*) filter (where processed), count(*) filter (where embedded),
      count(*) filter (where failed)
    from assets group by user_id`,
  ...countOn('insert', ADDED, 'new table as new_rows'),
  ...countOn(
    'update',
    `${ADDED} union all ${REMOVED}`,
    'old table as old_rows new table as new_rows',
  ),
  ...countOn('delete', REMOVED, 'old table as old_rows'),
  `create function forget_asset_counts() returns trigger language plpgsql as $$
    begin
      truncate asset_counts;
      return null;
    end $$`,
  `create trigger assets_counted_truncate after truncate on assets
    for each statement execute function forget_asset_counts()`,
];

/** What each row of a transition table adds to its user's counts. */
function rowsOf(table: string, sign: '' | '-'): string {
  return `select user_id, ${sign}1 as total, ${sign}processed::int as processed,
    ${sign}embedded::int as embedded, ${sign}failed::int as failed from ${table}`;
}

/** `order by`: two statements that change the same users must not wait for one another. */
function countOn(
  event: 'insert' | 'update' | 'delete',
  rows: string,
  transition: string,
): string[] {
  return [
    `create function count_assets_${event}() returns trigger language plpgsql as $$
      begin
        insert into asset_counts as counts
        select user_id, sum(total), sum(processed), sum(embedded), sum(failed)
        from (${rows}) as rows
        group by user_id
        having sum(total) <> 0 or sum(processed) <> 0 or sum(embedded) <> 0 or sum(failed) <> 0
        order by user_id
        on conflict (user_id) do update set
          total = counts.total + excluded.total,
          processed = counts.processed + excluded.processed,
          embedded = counts.embedded + excluded.embedded,
          failed = counts.failed + excluded.failed;
        return null;
      end $$`,
    `create trigger assets_counted_${event} after ${event} on assets
      referencing ${transition} for each statement execute function count_assets_${event}()`,
  ];
}
