/**
 * `@bulkhead/server`: the server's half of Bulkhead.
 *
 * @module @bulkhead/server
 */
export {
  type BlobCapabilities,
  type BlobEntry,
  type BlobInfo,
  type BlobMultipart,
  BlobNotFoundError,
  type BlobPage,
  type BlobStore,
  BlobStoreUnusableError,
  type GetGrant,
  type ObjectPromise,
  type PutGrant,
  type SignedPost,
  type SignedPut,
} from './blobs/blob-store.ts';
export {
  createFileSystemStore,
  type FileSystemStore,
  type FileSystemStoreOptions,
} from './blobs/file-system-store.ts';
export { imageKey, thumbnailKey } from './blobs/keys.ts';
export { defineConfig } from './cli/config-file.ts';
export {
  type Config,
  type EmbeddedOptions,
  type Limits,
  OptionsError,
  type ServerOptions,
} from './config.ts';
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
export { type Embedder, EmbeddingError, type Pace } from './embeddings/embedder.ts';
export { createLocalVisualEmbedder } from './embeddings/local-visual.ts';
export { burstOf, createProviderLimiter, limiterKey } from './embeddings/provider-lane.ts';
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
export type { DecoderPoolOptions } from './images/decoder-pool.ts';
export type { RenderLimits } from './images/render-image.ts';
export type { JobGate } from './jobs/job-gate.ts';
export type { JobSlices, SliceBounds, SliceResult } from './jobs/job-slices.ts';
export { createPgBossQueue, type PgBossQueueOptions } from './jobs/pg-boss-queue.ts';
export type { DrainOptions, EnqueueOptions, Job, JobData, JobName, Queue } from './jobs/queue.ts';
export { createWorkers, type Workers, type WorkersOptions } from './jobs/workers.ts';
export { createLogger, type Logger, silentLogger } from './logging.ts';
export {
  type Handlers,
  type Listening,
  type ListenOptions,
  listen,
  listenApi,
} from './node-server.ts';
export type { TokenBucketOptions } from './rate-limit/bucket-limiter.ts';
export { type ClientAddressOptions, clientAddress } from './rate-limit/client-address.ts';
export {
  createMemoryTokenBucket,
  type MemoryTokenBucketOptions,
} from './rate-limit/memory-token-bucket.ts';
export {
  createPostgresTokenBucket,
  type PostgresTokenBucketOptions,
} from './rate-limit/postgres-token-bucket.ts';
export type { Quotas } from './rate-limit/quota.ts';
export type { RateLimiter, RateLimitResult } from './rate-limit/rate-limiter.ts';
export { MIN_REFILL_FACTOR, refillFactor } from './rate-limit/refill-factor.ts';
export {
  createServerPressure,
  type ServerPressure,
  type ServerPressureOptions,
} from './rate-limit/server-pressure.ts';
export type { SharedLimiterOptions } from './rate-limit/shared-limiter.ts';
export type { Authorize, Identity } from './routes/authorize.ts';
export type { ConnectEvents } from './routes/events.ts';
export type { RequireOperator } from './routes/operator.ts';
export type { Webhook } from './routes/webhooks.ts';
export { createWorkerApp, type WorkerAppParts } from './routes/worker-app.ts';
export {
  type ShutDownOptions,
  type ShutDownParts,
  shutDown,
  shutDownOnSignal,
} from './shut-down.ts';
export type { QueueDepth, QueueDepths } from './telemetry/queue-depths.ts';
export {
  createServerTelemetry,
  type ServerTelemetry,
  type ServerTelemetryOptions,
} from './telemetry/server-telemetry.ts';
export type { TelemetrySnapshot } from './telemetry/snapshot.ts';
export { type Answered, noTelemetry, type Telemetry } from './telemetry/telemetry.ts';
