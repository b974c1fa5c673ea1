import type { OpenDatabase } from '../database/open-database.ts';
import type { Logger } from '../logging.ts';
import { createArrayIndex } from './array-index.ts';
import { createPgvectorIndex } from './pgvector-index.ts';

export interface NearestQuery {
  userId: string;
  /** Only vectors of this model are compared. */
  model: string;
  /** Of length 1. */
  vector: Float32Array;
  limit: number;
}

export interface Neighbour {
  assetId: string;
  /** Cosine, from −1 to 1. */
  score: number;
}

/** Finds a user's vectors that are nearest to one. */
export interface VectorIndex {
  /** Best first. It may name assets that were deleted just now. */
  nearest(query: NearestQuery): Promise<Neighbour[]>;
  /** These are no longer there: not to be named again. */
  forget(userId: string, model: string, assetIds: readonly string[]): void;
  /** Waits for what still runs in the background. */
  close(): Promise<void>;
}

export interface VectorIndexOptions {
  /**
   * Where the server has no pgvector: memory for vectors, in bytes, of the users that searched last.
   * Who has more than all of it is read anew at every search. Default 256 MB: 130,000 of 392 numbers.
   */
  cacheBytes?: number | undefined;
  /**
   * With pgvector: a user with more vectors of one model is searched through an HNSW index, which is made
   * in the background when the first such user searches. Below, every vector is compared: 100,000 of
   * 392 numbers take 130 ms (measured on the embedded engine). Default 100,000; on an embedded database never, as making an index would stop everything
   * else for minutes.
   */
  approximateFrom?: number | undefined;
}

/** What suits the database. */
export function createVectorIndex(
  database: Pick<OpenDatabase, 'db' | 'engine' | 'vectors'>,
  logger: Logger,
  options: VectorIndexOptions = {},
): VectorIndex {
  const { db, engine, vectors } = database;
  if (vectors.kind === 'array') return createArrayIndex(db, options.cacheBytes);
  const never = engine.kind === 'pglite' ? Number.POSITIVE_INFINITY : 100_000;
  return createPgvectorIndex(db, logger, options.approximateFrom ?? never);
}
