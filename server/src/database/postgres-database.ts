import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { createLogger, type Logger } from '../logging.ts';
import { migrate } from './migrations.ts';
import type { OpenDatabase } from './open-database.ts';
import { createPostgresSignals } from './postgres-signals.ts';
import type { Schema } from './schema.ts';
import { openVectors } from './vectors.ts';

export interface PostgresOptions {
  /** `postgres://user:password@host:5432/database`. */
  url: string;
  /**
   * Connections of this process at most, one more for notifications. Default 10: what two cores of a
   * database keep busy; many processes together must stay below the server's `max_connections`.
   */
  maxConnections?: number;
  /** How long a request waits for a free connection before it is answered 503. Default 10 s. */
  connectTimeoutMs?: number;
  logger?: Logger;
}

/** The database cannot be used as it is; the message says what to do. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError';
}

/** 15 has what the schema needs; older ones are out of support. */
const MIN_VERSION = 140_000;
const INT8 = pg.types.builtins.INT8;
/** A connection that a network dropped in silence is noticed within this. */
const KEEP_ALIVE_MS = 10_000;
/**
 * A process that is stopped in the middle of a transaction holds locks that its user's other uploads wait
 * for; the server ends it after so long. Between two statements of ours lie milliseconds.
 */
const IDLE_IN_TRANSACTION_MS = 15_000;

/** `int8` as numbers, as on the embedded database: sizes and versions stay below 2^53. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === INT8 ? Number : pg.types.getTypeParser(oid, format as 'text')) as never,
};

/**
 * Opens a PostgreSQL database of your own, and brings its schema up to date. Any number of processes may.
 * @throws {DatabaseError} when it cannot be reached, or is too old.
 * @throws {MigrationError}
 */
export async function openPostgresDatabase(options: PostgresOptions): Promise<OpenDatabase> {
  const { url, maxConnections = 10, connectTimeoutMs = 10_000, logger = createLogger() } = options;
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    connectionTimeoutMillis: connectTimeoutMs,
    application_name: 'bulkhead',
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    types,
    // By a statement: poolers such as PgBouncer refuse it among the parameters of a connection.
    onConnect: async (client) => {
      // The pool listens to idle ones only, and a lost connection without a listener ends the process.
      // Whoever uses it hears by the query that fails.
      client.on('error', (error) => logger.debug({ err: error }, 'A database connection ended'));
      await client.query(`set idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_MS}`);
    },
  });
  // Of an idle connection; the pool opens another one when it is needed.
  pool.on('error', (error) => logger.warn({ err: error }, 'A database connection was lost'));
  const signals = createPostgresSignals(pool, url, logger);
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= signals.close().then(() => pool.end());
    return closing;
  };
  try {
    await checkServer(pool);
    const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
    await migrate(db);
    return {
      db,
      engine: { kind: 'postgres', pool },
      vectors: await openVectors(db),
      signals,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function checkServer(pool: pg.Pool): Promise<void> {
  let version: number;
  try {
    const { rows } = await pool.query('show server_version_num');
    version = Number(rows[0].server_version_num);
  } catch (cause) {
    // Its own message may hold the address, never the password.
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new DatabaseError(`The database cannot be reached: ${detail}. Check DATABASE_URL`, {
      cause,
    });
  }
  if (version >= MIN_VERSION) return;
  const major = Math.floor(version / 10_000);
  throw new DatabaseError(`PostgreSQL ${major} is too old: Bulkhead needs 14 or newer`);
}
