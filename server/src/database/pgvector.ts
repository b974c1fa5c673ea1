import { type QueryExecutorProvider, sql } from 'kysely';
import type { Database } from './schema.ts';

const INSUFFICIENT_PRIVILEGE = '42501';

/**
 * Makes the extension where the server has it and this user may, inside the caller's transaction, and
 * says whether it is there.
 */
export async function ensurePgvector(db: QueryExecutorProvider): Promise<boolean> {
  const { rows } = await sql<{ installed: string | null }>`
    select installed_version as installed from pg_available_extensions where name = 'vector'
  `.execute(db);
  const [extension] = rows;
  if (!extension) return false;
  if (extension.installed !== null) return true;
  await sql`savepoint make_extension`.execute(db);
  try {
    await sql`create extension if not exists vector`.execute(db);
    await sql`release savepoint make_extension`.execute(db);
    return true;
  } catch (error) {
    // Vectors are kept in arrays until somebody who may has made it.
    if ((error as { code?: string }).code !== INSUFFICIENT_PRIVILEGE) throw error;
    await sql`rollback to savepoint make_extension`.execute(db);
    return false;
  }
}

/**
 * Turns vectors that were kept in arrays into pgvector's, once the server has got the extension: at the
 * next start of any process. All others wait for it, and go on with the new column: what writes arrays
 * is cast by PostgreSQL. 100,000 vectors of 392 numbers are one rewrite of 160 MB.
 *
 * @returns whether this call converted them
 */
export async function convertVectors(db: Database): Promise<boolean> {
  // Without the lock, at every start but one.
  if (!(await isArray(db)) || !(await isAvailable(db))) return false;
  return db.transaction().execute(async (tx) => {
    await sql`select pg_advisory_xact_lock(hashtextextended('bulkhead:vectors', 0))`.execute(tx);
    if (!(await isArray(tx)) || !(await ensurePgvector(tx))) return false;
    await sql`alter table embeddings alter column vector type vector using vector::vector`.execute(
      tx,
    );
    return true;
  });
}

/** Whether the vectors of this database are arrays: by the column, which a migration made. */
export async function isArray(db: QueryExecutorProvider): Promise<boolean> {
  const { rows } = await sql<{ type: string }>`
    select format_type(atttypid, atttypmod) as type from pg_attribute
    where attrelid = 'embeddings'::regclass and attname = 'vector'`.execute(db);
  return rows[0]?.type === 'real[]';
}

async function isAvailable(db: QueryExecutorProvider): Promise<boolean> {
  const { rows } = await sql`
    select 1 from pg_available_extensions where name = 'vector'`.execute(db);
  return rows.length > 0;
}
