import { type Kysely, sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import type { Database } from './schema.ts';

/**
 * Every change of the schema, in order of its name. A released migration is never edited.
 * Timestamps have millisecond precision, as JavaScript's have: a page cursor must not lose digits.
 */
const migrations: Record<string, Migration> = {
  '001-uploads-assets-embeddings': {
    async up(db: Kysely<unknown>) {
      for (const statement of INITIAL) await sql.raw(statement).execute(db);
      const type = (await hasPgvector(db)) ? 'vector' : 'real[]';
      await sql.raw(`alter table embeddings add column vector ${type} not null`).execute(db);
    },
  },
  '006-events': {
    async up(db: Kysely<unknown>) {
      // What still waits for a stage, and nothing else: its size is the backlog's, not the library's.
      await sql
        .raw(`create index assets_waiting on assets (processed, created_at)
          where not embedded and not failed`)
        .execute(db);
    },
  },
};

const INITIAL = [
  'create sequence asset_version',
  `create table uploads (
    id uuid primary key,
    user_id text not null,
    client_id text not null,
    key text not null,
    filename text not null,
    path text,
    mime_type text not null,
    size bigint not null check (size > 0),
    checksum text not null,
    state text not null default 'pending' check (state in ('pending', 'finalized', 'rejected')),
    asset_id uuid,
    is_duplicate boolean not null default false,
    error jsonb,
    expires_at timestamptz(3) not null,
    created_at timestamptz(3) not null default now()
  )`,
  // A rejected reservation keeps its answer for repeats, and its client id may be reserved anew.
  `create unique index uploads_client on uploads (user_id, client_id) where state <> 'rejected'`,
  'create index uploads_expiry on uploads (state, expires_at)',
  `create table assets (
    id uuid primary key,
    user_id text not null,
    key text not null,
    filename text not null,
    path text,
    mime_type text not null,
    size bigint not null,
    checksum text not null,
    width integer,
    height integer,
    image_key text,
    thumbnail_key text,
    processed boolean not null default false,
    embedded boolean not null default false,
    failed boolean not null default false,
    processing_error jsonb,
    processing_retry_count integer not null default 0,
    embedding_error jsonb,
    embedding_retry_count integer not null default 0,
    embedding_next_retry timestamptz(3),
    search_words text not null,
    version bigint not null default nextval('asset_version'),
    created_at timestamptz(3) not null default now(),
    updated_at timestamptz(3) not null default now(),
    unique (user_id, checksum)
  )`,
  'create index assets_queue on assets (processed, embedded, created_at)',
  'create index assets_page on assets (user_id, created_at desc, id)',
  'create index assets_changes on assets (user_id, version)',
  // The words as they are, not through PostgreSQL's parser: which letters that one knows depends on
  // the locale and the version.
  `create index assets_words on assets
    using gin (array_to_tsvector(string_to_array(search_words, ' ')))`,
  `create table embeddings (
    asset_id uuid primary key references assets (id) on delete cascade,
    user_id text not null,
    model text not null
  )`,
  'create index embeddings_search on embeddings (user_id, model)',
  // For databases without pgvector.
  `create function cosine_distance(a real[], b real[]) returns double precision
    language sql immutable strict parallel safe as $$
      select 1 - sum(x::float8 * y) / nullif(sqrt(sum(x::float8 * x) * sum(y::float8 * y)), 0)
      from unnest(a, b) as pair (x, y)
    $$`,
];

/** Makes the extension where the server has it and this user may. */
async function hasPgvector(db: Kysely<unknown>): Promise<boolean> {
  const { rows } = await sql<{ installed: string | null }>`
    select installed_version as installed from pg_available_extensions where name = 'vector'
  `.execute(db);
  const [extension] = rows;
  if (!extension) return false;
  if (extension.installed === null) await sql`create extension vector`.execute(db);
  return true;
}

/** A migration failed; the ones before it stand. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError';
}

/** Brings the schema up to date. Safe to call at every start and from several processes. */
export async function migrate(db: Database): Promise<void> {
  const migrator = new Migrator({
    db,
    provider: { getMigrations: () => Promise.resolve(migrations) },
    migrationTableName: 'bulkhead_migration',
    migrationLockTableName: 'bulkhead_migration_lock',
  });
  const { error, results } = await migrator.migrateToLatest();
  if (!error) return;
  const failed = results?.find((result) => result.status === 'Error')?.migrationName;
  throw new MigrationError(`The database migration ${failed ?? ''} failed`, { cause: error });
}
