import type { FileProblem } from 'bulkhead/protocol';
import type { ColumnType, Generated, Kysely, RawBuilder, Selectable, Transaction } from 'kysely';
import type { JobName } from '../jobs/queue.ts';

/** `int8` columns are JavaScript numbers on every engine: sizes and versions stay below 2^53. */
type Timestamp = ColumnType<Date, Date | string, Date | string>;
type GeneratedTimestamp = ColumnType<Date, Date | string | undefined, Date | string>;

/** A reservation: what a client promised, and what came of it. `id` becomes the asset's id. */
export interface UploadsTable {
  id: string;
  user_id: string;
  client_id: string;
  key: string;
  filename: string;
  path: string | null;
  mime_type: string;
  size: number;
  checksum: string;
  state: 'pending' | 'finalized' | 'rejected';
  /** Once finalized: the asset, which is another one when the bytes were a duplicate. */
  asset_id: string | null;
  is_duplicate: Generated<boolean>;
  /** Once rejected: why, so that a repeat gives the same answer. */
  error: ColumnType<FileProblem | null, string | null | undefined, string | null>;
  /** While its parts are sent, and later: the store's id of that upload. */
  multipart_id: ColumnType<string | null, string | null | undefined, string | null>;
  /** Bytes of each of its parts but the last. */
  multipart_part_bytes: ColumnType<number | null, number | null | undefined, number | null>;
  expires_at: Timestamp;
  created_at: GeneratedTimestamp;
}

/** One file of one user's library. A checksum stands at most once per user. */
export interface AssetsTable {
  id: string;
  user_id: string;
  key: string;
  filename: string;
  path: string | null;
  /** By magic bytes. */
  mime_type: string;
  size: number;
  checksum: string;
  width: number | null;
  height: number | null;
  image_key: string | null;
  thumbnail_key: string | null;
  processed: Generated<boolean>;
  embedded: Generated<boolean>;
  /** Failed for good in either stage; a redrive clears it. */
  failed: Generated<boolean>;
  /** Since when the store is known not to have its bytes; uploading them again mends it. */
  blob_missing_at: ColumnType<Date | null, Date | string | null | undefined, Date | string | null>;
  processing_error: ColumnType<FileProblem | null, string | null | undefined, string | null>;
  processing_retry_count: Generated<number>;
  embedding_error: ColumnType<FileProblem | null, string | null | undefined, string | null>;
  embedding_retry_count: Generated<number>;
  embedding_next_retry: ColumnType<
    Date | null,
    Date | string | null | undefined,
    Date | string | null
  >;
  /** Words of name and path, lower case, one space between. */
  search_words: string;
  /** From the sequence `asset_version`: see `changeAssets`. */
  version: ColumnType<number, number | undefined, number>;
  created_at: GeneratedTimestamp;
  updated_at: GeneratedTimestamp;
}

/** Kept by triggers: see asset-counts.ts. A user without assets may have no row. */
export interface AssetCountsTable {
  user_id: string;
  total: number;
  processed: number;
  embedded: number;
  failed: number;
}

export interface EmbeddingsTable {
  asset_id: string;
  user_id: string;
  /** The embedder's model id: vectors of different models are never compared. */
  model: string;
  /** `vector` or `real[]`, by whether the server has pgvector: write it by `Vectors.value`. */
  vector: string;
  /** From the sequence `asset_version`, anew with every vector: readers ask for what is newer. */
  version: ColumnType<number, number | undefined, number | RawBuilder<number>>;
  /** A later model that failed for good on this image: it is not asked again by itself. */
  refused_by: ColumnType<string | null, string | null | undefined, string | null>;
}

/** Requests sent to a paid provider on one day (UTC). */
export interface EmbeddingUsageTable {
  provider: string;
  day: ColumnType<string, string, string>;
  requests: number;
}

/** Predictions whose end a webhook may announce. */
export interface EmbeddingPredictionsTable {
  /** The provider's id. */
  id: string;
  state: Generated<'pending' | 'answered'>;
  created_at: GeneratedTimestamp;
}

/** What became assets of one user in one hour (UTC): the daily quotas are sums of these. */
export interface UploadUsageTable {
  user_id: string;
  hour: Timestamp;
  files: number;
  bytes: number;
}

/** Where walks through the store stand, and which process walks. */
export interface SweepsTable {
  name: string;
  holder: string;
  leased_until: Timestamp;
  cursor: string | null;
  done_key: Generated<string>;
  saved_at: ColumnType<Date | null, Date | string | null | undefined, Date | string | null>;
}

/** A process that works here; for the operator to see. */
export interface WorkersTable {
  id: string;
  host: string;
  pid: number;
  process_concurrency: number;
  embed_concurrency: number;
  started_at: GeneratedTimestamp;
  seen_at: GeneratedTimestamp;
}

/** The last run of each sweep; for the operator to see. */
export interface SweepRunsTable {
  name: string;
  ran_at: Timestamp;
  swept: number;
  /** The class of its failure. */
  error: string | null;
}

/** Jobs whose deliveries come from elsewhere. A row is an unfinished job; see `createJobOutbox`. */
export interface JobOutboxTable {
  id: string;
  name: JobName;
  asset_id: string;
  /** Of the job's data. */
  machine_waits: Generated<number>;
  priority: Generated<number>;
  due_at: Timestamp;
  /** Which message of this job is meant: part of its idempotency key. */
  publish_count: Generated<number>;
  /** Another process is publishing it until then. */
  publishing_until: ColumnType<Date | null, Date | null | undefined, Date | null>;
  published_at: ColumnType<Date | null, Date | null | undefined, Date | null>;
  /** Grows with every claim: the fencing token. */
  claim: Generated<number>;
  claimed_until: ColumnType<Date | null, Date | null | undefined, Date | null>;
  created_at: GeneratedTimestamp;
}

export interface Schema {
  sweeps: SweepsTable;
  uploads: UploadsTable;
  upload_usage: UploadUsageTable;
  assets: AssetsTable;
  asset_counts: AssetCountsTable;
  embeddings: EmbeddingsTable;
  embedding_usage: EmbeddingUsageTable;
  embedding_predictions: EmbeddingPredictionsTable;
  workers: WorkersTable;
  sweep_runs: SweepRunsTable;
  job_outbox: JobOutboxTable;
}

export type Database = Kysely<Schema>;
/** Inside a transaction, this is the only handle that may be used: `Database` would wait for ever. */
export type Tx = Transaction<Schema>;
export type AssetRow = Selectable<AssetsTable>;
export type UploadRow = Selectable<UploadsTable>;
