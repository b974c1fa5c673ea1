/** `@bulkhead/server`: the server's half of Bulkhead. */
export {
  type BlobInfo,
  BlobNotFoundError,
  type BlobStore,
  type GetGrant,
  type PutGrant,
  type SignedPut,
} from './blobs/blob-store.ts';
export {
  createFileSystemStore,
  type FileSystemStore,
  type FileSystemStoreOptions,
} from './blobs/file-system-store.ts';
export { imageKey, thumbnailKey } from './blobs/keys.ts';
export { type EmbeddedOptions, type Limits, OptionsError, type ServerOptions } from './config.ts';
export { type BulkheadServer, createBulkheadServer } from './create-server.ts';
export { DirectoryLockedError } from './database/directory-lock.ts';
export { type EmbeddedDatabase, openEmbeddedDatabase } from './database/embedded-database.ts';
export { MigrationError, migrate } from './database/migrations.ts';
export type { OpenDatabase } from './database/open-database.ts';
export {
  DatabaseError,
  openPostgresDatabase,
  type PostgresOptions,
} from './database/postgres-database.ts';
export type { Database, Schema, Tx } from './database/schema.ts';
export { createEmbeddedServer, type EmbeddedServer } from './embedded.ts';
export { type Embedder, EmbeddingError } from './embeddings/embedder.ts';
export { createLocalVisualEmbedder } from './embeddings/local-visual.ts';
export type { ChangeFeed } from './events/change-feed.ts';
export {
  type ChangeNotifier,
  type ChangeNotifierOptions,
  createChangeNotifier,
} from './events/change-notifier.ts';
export type { EventSink, SinkHandlers, StreamEnd } from './events/event-sink.ts';
export {
  createWebSocketUpgrade,
  type UpgradeHandler,
  type WebSocketUpgradeParts,
} from './events/web-socket.ts';
export { createPgBossQueue } from './jobs/pg-boss-queue.ts';
export type { Job, JobData, JobName, Queue } from './jobs/queue.ts';
export { createWorkers, type Workers, type WorkersOptions } from './jobs/workers.ts';
export { createLogger, type Logger, silentLogger } from './logging.ts';
export { type Listening, type ListenOptions, listen } from './node-server.ts';
export {
  createTokenBucket,
  type RateLimiter,
  type RateLimitResult,
  type TokenBucketOptions,
} from './rate-limit/token-bucket.ts';
export type { Authorize, Identity } from './routes/authorize.ts';
export type { ConnectEvents } from './routes/events.ts';
export type { RequireOperator } from './routes/operator.ts';
export { createWorkerApp, type WorkerAppParts } from './routes/worker-app.ts';
export {
  type ShutDownOptions,
  type ShutDownParts,
  shutDown,
  shutDownOnSignal,
} from './shut-down.ts';
export {
  createServerTelemetry,
  type ServerTelemetry,
  type ServerTelemetryOptions,
} from './telemetry/server-telemetry.ts';
export type { TelemetrySnapshot } from './telemetry/snapshot.ts';
export { noTelemetry, type Telemetry } from './telemetry/telemetry.ts';
