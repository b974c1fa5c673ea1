import type { PGlite } from '@electric-sql/pglite';
import type pg from 'pg';
import type { Database } from './schema.ts';
import type { Signals } from './signals.ts';
import type { Vectors } from './vectors.ts';

/** What the job queue speaks to: it brings its own queries. */
export type Engine =
  | { readonly kind: 'pglite'; readonly pglite: PGlite }
  | { readonly kind: 'postgres'; readonly pool: pg.Pool };

/** A database that was migrated and is ready, on either engine. */
export interface OpenDatabase {
  readonly db: Database;
  readonly engine: Engine;
  /** How vectors are stored and compared here. */
  readonly vectors: Vectors;
  /** Messages to every process on this database, this one included. */
  readonly signals: Signals;
  /** Waits for running queries, then lets go. */
  close(): Promise<void>;
}
