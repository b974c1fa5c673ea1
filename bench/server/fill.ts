import { sql } from 'kysely';
import type { Database } from '../../server/src/database/schema.ts';

/** Whose library is measured, and one of the many others. */
export const USER = 'ada';
const OTHER_USERS = 500;
const OTHER_ASSETS = 5000;
const CHUNK_ROWS = 50_000;

/**
 * Fills a database as years of use would: of a hundred assets 90 are searchable, 5 wait for an embedding,
 * 4 for processing and one failed, those the oldest: whoever looks for them from the newest on, walks far. Every name has a common word
 * (`img`), a number of its own and a folder among a thousand; `heron` is in one of 100,000,
 * `analog` in the older half.
 */
export async function fill(
  db: Database,
  { assets, onProgress }: { assets: number; onProgress: (rows: number) => void },
): Promise<void> {
  await insertAssets(db, {
    userOf: sql`${`other-`} || n % ${OTHER_USERS}`,
    from: 1,
    to: OTHER_ASSETS,
    assets: OTHER_ASSETS,
  });
  for (let from = 1; from <= assets; from += CHUNK_ROWS) {
    const to = Math.min(assets, from + CHUNK_ROWS - 1);
    await insertAssets(db, { userOf: sql`${USER}::text`, from, to, assets });
    onProgress(to);
  }
}

async function insertAssets(
  db: Database,
  {
    userOf,
    from,
    to,
    assets,
  }: {
    userOf: ReturnType<typeof sql>;
    from: number;
    to: number;
    assets: number;
  },
): Promise<void> {
  await sql`
    with made as materialized (
      select gen_random_uuid() as id, ${userOf} as user_id, n,
        case when n <= ${assets * 0.01} then 'failed' when n <= ${assets * 0.05} then 'processing'
          when n <= ${assets * 0.1} then 'embedding' else 'searchable' end as stage,
        'IMG_' || lpad(n::text, 7, '0') || case when n % 100000 = 77 then ' heron' else '' end
          || case when n <= ${assets / 2} then ' analog' else '' end
          || '.jpg' as filename,
        'Photos/' || 1990 + n % 36 || '/trip' || chr(97 + n % 26) || ' day ' || n % 1000 as folder
      from generate_series(${from}::int, ${to}::int) n
    ), reserved as (
      insert into uploads (id, user_id, client_id, key, filename, path, mime_type, size, checksum, state,
        asset_id, expires_at, created_at)
      select id, user_id, 'client-' || n, 'u/' || md5(user_id) || '/2026/' || id, filename,
        folder || '/' || filename, 'image/jpeg', 1000,
        encode(sha256(convert_to(user_id || ':' || n, 'UTF8')), 'hex'), 'finalized', id,
        timestamptz '2026-01-01' + n * interval '1 second', timestamptz '2026-01-01' + n * interval '1 second'
      from made
    )
    insert into assets (id, user_id, key, filename, path, mime_type, size, checksum, width, height,
      image_key, thumbnail_key, processed, embedded, failed, search_words, created_at)
    select id, user_id, 'u/' || md5(user_id) || '/2026/' || id, filename, folder || '/' || filename,
      'image/jpeg', 1000, encode(sha256(convert_to(user_id || ':' || n, 'UTF8')), 'hex'), 1600, 1200,
      'u/' || md5(user_id) || '/2026/' || id || '.image.jpg',
      'u/' || md5(user_id) || '/2026/' || id || '.thumbnail.webp',
      stage in ('embedding', 'searchable'), stage = 'searchable', stage = 'failed',
      array_to_string(array(select distinct word from regexp_split_to_table(
        regexp_replace(lower(folder || ' ' || filename), '([a-z])([0-9])', '\\1 \\2', 'g'), '[^a-z0-9]+') word), ' '),
      timestamptz '2026-01-01' + n * interval '1 second'
    from made`.execute(db);
}
