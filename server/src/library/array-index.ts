import { sql } from 'kysely';
import type { Database } from '../database/schema.ts';
import { createTopList } from './top-list.ts';
import type { NearestQuery, Neighbour, VectorIndex } from './vector-index.ts';
import { type VectorTable, vectorTable } from './vector-table.ts';

const DEFAULT_CACHE_BYTES = 256 * 1024 * 1024;
const PAGE_ROWS = 2000;
/** `array_send`: 5 numbers of 4 bytes, then a length of 4 bytes before each element. */
const HEADER_BYTES = 20;
const ELEMENT_BYTES = 8;
/** Rows that are compared in one go: 8 ms of work, then others have their turn. */
const ROWS_A_TURN = 20_000;

interface Entry {
  readonly userId: string;
  readonly model: string;
  readonly table: VectorTable;
  /** Of the newest row that was read. */
  version: number;
  /** It alone has more than the cache may hold: every search reads it all. */
  isTooLarge: boolean;
  /** The last refresh; the next one waits for it. */
  refreshing: Promise<void>;
}

/**
 * Exact search where the server has no pgvector. A user's vectors are read once, in binary, and kept; each
 * search reads only what is newer, which their versions tell, and compares everything here: 50 to 150 times
 * as fast as SQL on arrays. The first search takes as long as one in SQL.
 */
export function createArrayIndex(db: Database, cacheBytes = DEFAULT_CACHE_BYTES): VectorIndex {
  // In order of last use.
  const entries = new Map<string, Entry>();

  const entryOf = (userId: string, model: string): Entry => {
    const key = keyOf(userId, model);
    const entry = entries.get(key) ?? {
      ...{ userId, model, version: 0, isTooLarge: false },
      table: vectorTable(),
      refreshing: Promise.resolve(),
    };
    entries.delete(key);
    entries.set(key, entry);
    return entry;
  };

  const refresh = async (entry: Entry): Promise<void> => {
    if (entry.isTooLarge) return;
    for await (const rows of pagesSince(db, entry, entry.version)) {
      for (const row of rows) {
        entry.table.set(row.asset_id, decode(row.vector));
        entry.version = row.version;
      }
      if (entry.table.bytes > cacheBytes) {
        entry.isTooLarge = true;
        entry.table.clear();
        return;
      }
    }
    makeRoom(entry);
  };

  const makeRoom = (keep: Entry) => {
    let bytes = 0;
    for (const { table } of entries.values()) bytes += table.bytes;
    for (const [key, entry] of entries) {
      if (bytes <= cacheBytes) return;
      if (entry === keep) continue;
      bytes -= entry.table.bytes;
      entries.delete(key);
    }
  };

  return {
    async nearest(query) {
      const entry = entryOf(query.userId, query.model);
      // One after the other, so that none reads what another is about to.
      entry.refreshing = entry.refreshing.catch(() => {}).then(() => refresh(entry));
      await entry.refreshing;
      return entry.isTooLarge ? scanAll(db, entry, query) : scan(entry.table, query);
    },
    forget(userId, model, assetIds) {
      const entry = entries.get(keyOf(userId, model));
      for (const id of assetIds) entry?.table.delete(id);
    },
    async close() {
      entries.clear();
    },
  };
}

function keyOf(userId: string, model: string): string {
  return JSON.stringify([userId, model]);
}

async function scan(table: VectorTable, { vector, limit }: NearestQuery): Promise<Neighbour[]> {
  const top = createTopList<string>(limit);
  for (let from = 0; from < table.size; from += ROWS_A_TURN) {
    if (from > 0) await new Promise<void>((resolve) => setImmediate(resolve));
    table.compare(vector, from, from + ROWS_A_TURN, top.add);
  }
  return neighboursOf(top.items());
}

async function scanAll(
  db: Database,
  owner: { userId: string; model: string },
  { vector, limit }: NearestQuery,
): Promise<Neighbour[]> {
  const top = createTopList<string>(limit);
  for await (const rows of pagesSince(db, owner, 0)) {
    const page = vectorTable();
    for (const row of rows) page.set(row.asset_id, decode(row.vector));
    page.compare(vector, 0, page.size, top.add);
  }
  return neighboursOf(top.items());
}

function neighboursOf(items: readonly { score: number; item: string }[]): Neighbour[] {
  return items.map(({ score, item }) => ({ assetId: item, score }));
}

interface Row {
  asset_id: string;
  version: number;
  vector: Uint8Array;
}

/** One user's transactions become visible in the order of their versions (`changeAssets`). */
async function* pagesSince(
  db: Database,
  { userId, model }: { userId: string; model: string },
  since: number,
): AsyncGenerator<Row[]> {
  let version = since;
  for (;;) {
    // The cast is for a column that another process has made pgvector's meanwhile.
    const { rows } = await sql<Row>`
      select asset_id, version, array_send(vector::real[]) as vector from embeddings
      where user_id = ${userId} and model = ${model} and version > ${version}
      order by version limit ${PAGE_ROWS}`.execute(db);
    if (rows.length > 0) yield rows;
    const last = rows.at(-1);
    if (!last || rows.length < PAGE_ROWS) return;
    version = last.version;
  }
}

/** PostgreSQL's binary form of `real[]`, big-endian. */
function decode(bytes: Uint8Array): Float32Array {
  const count = Math.floor((bytes.length - HEADER_BYTES) / ELEMENT_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const vector = new Float32Array(count);
  for (let i = 0, at = HEADER_BYTES + 4; i < count; i++, at += ELEMENT_BYTES) {
    vector[i] = view.getFloat32(at);
  }
  return vector;
}
