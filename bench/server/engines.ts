import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { findOrStartPostgres } from '../../scripts/services.mjs';
import { openEmbeddedDatabase } from '../../server/src/database/embedded-database.ts';
import type { OpenDatabase } from '../../server/src/database/open-database.ts';
import { openPostgresDatabase } from '../../server/src/database/postgres-database.ts';
import { silentLogger } from '../../server/src/logging.ts';
import { startTcpProxy } from '../../server/test/fixtures/tcp-proxy.ts';
import type { EngineName, ServerBenchOptions } from './options.ts';

/** An empty database for one run, which goes when it is closed. */
export interface BenchDatabase {
  readonly database: OpenDatabase;
  /** Such as `PostgreSQL 15.20`. */
  readonly version: string;
  close(): Promise<void>;
}

export function openBenchDatabase(
  engine: EngineName,
  options: ServerBenchOptions,
): Promise<BenchDatabase> {
  return engine === 'pglite' ? openPglite() : openPostgres(options);
}

async function openPglite(): Promise<BenchDatabase> {
  const dir = await mkdtemp(join(tmpdir(), 'bulkhead-bench-database-'));
  const database = await openEmbeddedDatabase(dir);
  const { rows } = await database.engine.pglite.query<{ server_version: string }>(
    'show server_version',
  );
  return {
    database,
    version: `PGlite, PostgreSQL ${rows[0]?.server_version}`,
    async close() {
      await database.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function openPostgres({
  postgresUrl,
  latencyMs,
}: ServerBenchOptions): Promise<BenchDatabase> {
  const server = postgresUrl
    ? { url: postgresUrl, stop: async () => {} }
    : await findOrStartPostgres();
  const name = `bulkhead_bench_${randomUUID().replaceAll('-', '').slice(0, 16)}`;
  await runOn(server.url, `create database ${name}`);
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  const proxy =
    latencyMs > 0
      ? await startTcpProxy({ host: url.hostname, port: Number(url.port || 5432), latencyMs })
      : undefined;
  if (proxy) url.host = `127.0.0.1:${proxy.port}`;
  const database = await openPostgresDatabase({ url: url.href, logger: silentLogger });
  const { rows } = await (database.engine as { pool: pg.Pool }).pool.query('show server_version');
  return {
    database,
    version: `PostgreSQL ${String(rows[0].server_version).split(' ')[0]}`,
    async close() {
      await database.close();
      await proxy?.close();
      await runOn(server.url, `drop database ${name} with (force)`);
      await server.stop();
    },
  };
}

async function runOn(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
