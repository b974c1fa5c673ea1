import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';
import { Kysely, PGliteDialect } from 'kysely';
import { lockDirectory } from './directory-lock.ts';
import { migrate } from './migrations.ts';
import type { OpenDatabase } from './open-database.ts';
import { createPgliteSignals } from './pglite-signals.ts';
import type { Schema } from './schema.ts';
import { openVectors } from './vectors.ts';

/** PostgreSQL's oid of int8. */
const INT8 = 20;
const TABLES: readonly (keyof Schema)[] = ['uploads', 'assets', 'asset_counts', 'embeddings'];
/** A table that is larger or smaller by this part has its statistics made anew, as autovacuum does. */
const ANALYZE_PART = 0.1;

/** PostgreSQL in this process, migrated and ready. */
export interface EmbeddedDatabase extends OpenDatabase {
  readonly engine: { readonly kind: 'pglite'; readonly pglite: PGlite };
  /**
   * Makes room, and statistics where a table has grown: PGlite has no autovacuum, and every stage leaves
   * a dead row behind. Outside of any transaction, every ten minutes or so.
   */
  vacuum(): Promise<void>;
}

/**
 * Opens (or creates) the embedded PostgreSQL of one directory, for this process alone; `'memory'`
 * gives one that ends with the process.
 *
 * What was acknowledged outlives `kill -9` of the process. It may not outlive a power cut: PGlite
 * never calls fsync. It takes 350 to 550 MB of memory.
 * @throws {DirectoryLockedError} when another live process has the directory open.
 */
export async function openEmbeddedDatabase(dir: string | 'memory'): Promise<EmbeddedDatabase> {
  const unlock = dir === 'memory' ? async () => {} : await lockDirectory(dir);
  let pglite: PGlite | undefined;
  try {
    pglite = await PGlite.create({
      dataDir: dir === 'memory' ? 'memory://' : join(dir, 'pgdata'),
      extensions: { vector },
      parsers: { [INT8]: Number },
    });
    const db = new Kysely<Schema>({ dialect: new PGliteDialect({ pglite }) });
    await migrate(db);
    const open = pglite;
    return {
      db,
      engine: { kind: 'pglite', pglite },
      vectors: await openVectors(db),
      signals: createPgliteSignals(pglite),
      vacuum: createVacuum(open),
      close: createClose(open, unlock),
    };
  } catch (error) {
    await pglite?.close().catch(() => {});
    await unlock();
    throw error;
  }
}

function createVacuum(pglite: PGlite): () => Promise<void> {
  const analyzedBytes = new Map<string, number>();
  return async () => {
    // One statement a call: several in one would run as a transaction, which VACUUM refuses.
    for (const table of TABLES) {
      const { rows } = await pglite.query<{ bytes: number }>(
        'select pg_relation_size($1::regclass) as bytes',
        [table],
      );
      const bytes = rows[0]?.bytes ?? 0;
      const known = analyzedBytes.get(table) ?? 0;
      // Statistics of a million assets take 0.8 s, and everybody waits: a vacuum alone takes a tenth.
      const isStale = Math.abs(bytes - known) > known * ANALYZE_PART;
      await pglite.exec(isStale ? `vacuum (analyze) ${table}` : `vacuum ${table}`);
      if (isStale) analyzedBytes.set(table, bytes);
    }
  };
}

function createClose(pglite: PGlite, unlock: () => Promise<void>): () => Promise<void> {
  let closing: Promise<void> | undefined;
  return () => {
    closing ??= (async () => {
      try {
        if (!pglite.closed) await pglite.close();
      } finally {
        await unlock();
      }
    })();
    return closing;
  };
}
