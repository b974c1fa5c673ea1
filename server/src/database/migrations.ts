import { type Kysely, sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { USER_STAGE } from '../library/asset-stage.ts';
import { USER_WORDS } from '../library/user-words.ts';
import { assetCountsMigration } from './asset-counts.ts';
import { ensurePgvector } from './pgvector.ts';
import type { Database } from './schema.ts';

/**
 * Every change of the schema, in order of its name. A released migration is never edited.
 * Timestamps have millisecond precision, as JavaScript's have: a page cursor must not lose digits.
 */
const migrations: Record<string, Migration> = {
  '001-uploads-assets-embeddings': {
    async up(db: Kysely<unknown>) {
      for (const statement of INITIAL) await sql.raw(statement).execute(db);
      const type = (await ensurePgvector(db)) ? 'vector' : 'real[]';
      await sql.raw(`alter table embeddings add column vector ${type} not null`).execute(db);
    },
  },
  '003-embeddings': {
    async up(db: Kysely<unknown>) {
      for (const statement of EMBEDDINGS) await sql.raw(statement).execute(db);
    },
  },
  '004-limits': {
    async up(db: Kysely<unknown>) {
      for (const statement of LIMITS) await sql.raw(statement).execute(db);
    },
  },
  '005-blobs': {
    async up(db: Kysely<unknown>) {
      for (const statement of BLOBS) await sql.raw(statement).execute(db);
    },
  },
  '007-admin': {
    async up(db: Kysely<unknown>) {
      for (const statement of ADMIN) await sql.raw(statement).execute(db);
    },
  },
  '008-scale': assetCountsMigration,
  '009-machine-waits': {
    async up(db: Kysely<unknown>) {
      await sql`alter table job_outbox add column machine_waits integer not null default 0`.execute(
        db,
      );
    },
  },
  '010-multipart': {
    async up(db: Kysely<unknown>) {
      for (const statement of MULTIPART) await sql.raw(statement).execute(db);
    },
  },
};

/** In the order in which they run. */
export const migrationNames: readonly string[] = Object.keys(migrations).sort();

/** For walking the store's list and the keys side by side: both in the order of bytes. */
const BLOBS = [
  'alter table assets add column blob_missing_at timestamptz(3)',
  'create index assets_key on assets (key collate "C")',
  'create index uploads_key on uploads (key collate "C")',
  `create table sweeps (
    name text primary key,
    holder uuid not null,
    leased_until timestamptz(3) not null,
    cursor text,
    done_key text not null default '',
    saved_at timestamptz(3)
  )`,
];

const ADMIN = [
  // Dead letters by user, in the order of their pages.
  'create index assets_failed on assets (user_id, created_at desc, id) where failed',
  `create table workers (
    id uuid primary key,
    host text not null,
    pid integer not null,
    process_concurrency integer not null,
    embed_concurrency integer not null,
    started_at timestamptz(3) not null default now(),
    seen_at timestamptz(3) not null default now()
  )`,
  `create table sweep_runs (
    name text primary key,
    ran_at timestamptz(3) not null,
    swept integer not null,
    error text
  )`,
  // Jobs of a queue that is not in this database: see `createVercelQueue`.
  `create table job_outbox (
    id uuid primary key,
    name text not null,
    asset_id text not null,
    priority integer not null default 0,
    due_at timestamptz(3) not null,
    publish_count integer not null default 0,
    publishing_until timestamptz(3),
    published_at timestamptz(3),
    claim integer not null default 0,
    claimed_until timestamptz(3),
    created_at timestamptz(3) not null default clock_timestamp()
  )`,
  'create index job_outbox_unpublished on job_outbox (created_at) where published_at is null',
  'create index job_outbox_due on job_outbox (name, priority desc, created_at)',
  'create index job_outbox_asset on job_outbox (name, asset_id)',
];

const MULTIPART = [
  `alter table uploads
    add column multipart_id text,
    add column multipart_part_bytes bigint`,
];

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
  // What waits for a stage, a small part of all.
  `create index assets_waiting on assets (processed, id) where not embedded and not failed`,
  'create index assets_page on assets (user_id, created_at desc, id)',
  `create index assets_stage on assets (${USER_STAGE}, created_at desc, id)`,
  'create index assets_changes on assets (user_id, version)',
  // The words as they are, not through PostgreSQL's parser: which letters that one knows depends on
  // the locale and the version. Each with its user, whose words alone are looked through then.
  // Without the list of pending entries: whoever finds it full would wait for all of them.
  `create index assets_words on assets using gin ((${USER_WORDS})) with (fastupdate = off)`,
  // Each asset is updated once a stage: dead rows of a twentieth, not a fifth, of a million are enough.
  `alter table assets set (autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05)`,
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

const LIMITS = [
  // Milliseconds since the epoch, so that the arithmetic is the same in SQL, Lua and JavaScript.
  `create table rate_limit_buckets (
    user_id text primary key,
    tokens double precision not null,
    is_allowed boolean not null,
    updated_at_ms double precision not null
  )`,
  `create table upload_usage (
    user_id text not null,
    hour timestamptz(3) not null,
    files bigint not null,
    bytes bigint not null,
    primary key (user_id, hour)
  )`,
  `create index uploads_open on uploads (user_id, expires_at) include (size)
    where state = 'pending'`,
];

const EMBEDDINGS = [
  // What changed since a reader last looked is one range of (user_id, model, version).
  `alter table embeddings
    add column version bigint not null default nextval('asset_version'),
    add column refused_by text`,
  // A vector does not compress; trying to costs more than reading it.
  'alter table embeddings alter column vector set storage external',
  'drop index embeddings_search',
  'create index embeddings_versions on embeddings (user_id, model, version)',
  'create index embeddings_models on embeddings (model, asset_id)',
  // Vectors have length 1, and arrays are compared outside of the database.
  'drop function cosine_distance(real[], real[])',
  `create table embedding_usage (
    provider text not null,
    day date not null,
    requests integer not null,
    primary key (provider, day)
  )`,
  `create table embedding_predictions (
    id text primary key,
    state text not null default 'pending' check (state in ('pending', 'answered')),
    created_at timestamptz(3) not null default now()
  )`,
  'create index embedding_predictions_age on embedding_predictions (created_at)',
];

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
