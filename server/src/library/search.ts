import type { SearchMatch, SearchQuery, SearchResponse } from 'bulkhead/protocol';
import { sql } from 'kysely';
import type { AssetRow, Database } from '../database/schema.ts';
import { toUnit } from '../database/vectors.ts';
import type { TextQueries } from '../embeddings/text-queries.ts';
import { ProblemError } from '../problem-error.ts';
import type { AssetView } from './asset-view.ts';
import { findByWords } from './user-words.ts';
import type { Neighbour, VectorIndex } from './vector-index.ts';

/** Finds assets of one user: by words, by meaning, by likeness. */
export interface Search {
  /**
   * `like`: nearest by cosine to that asset. `q` by `mode`: `words` (every word must begin a word of the name
   * or path; newest first), `meaning` (nearest to what the text means, where the embedder embeds text),
   * or `auto`: words first, then meaning for what is left of `limit`.
   * @throws {ProblemError} `not_found` for `like`; `invalid_request` without exactly one of both, and for
   * `meaning` where the embedder takes no text; `unavailable` for `meaning` while its provider is.
   */
  run(userId: string, query: SearchQuery): Promise<SearchResponse>;
}

interface Hit {
  row: AssetRow;
  score: number;
  match: SearchMatch;
}

/** Rounds of asking again, when assets were deleted while they were found. */
const MAX_ROUNDS = 3;

export function createSearch(parts: {
  db: Database;
  index: VectorIndex;
  view: AssetView;
  /** Absent: the embedder knows no words. */
  textQueries?: TextQueries | undefined;
}): Search {
  const { db, index, view, textQueries } = parts;

  const byWords = async (userId: string, text: string, limit: number): Promise<Hit[]> => {
    const rows = await findByWords(db, userId, text, limit);
    return rows.map((row) => ({ row, score: 1, match: 'words' }));
  };

  /** The nearest assets but those, with their rows. */
  const byVector = async (
    target: { userId: string; model: string; vector: Float32Array },
    match: SearchMatch,
    limit: number,
    without: ReadonlySet<string>,
  ): Promise<Hit[]> => {
    const { userId, model } = target;
    for (let round = 1; ; round++) {
      const found = await index.nearest({ ...target, limit: limit + without.size });
      const wanted = found.filter(({ assetId }) => !without.has(assetId)).slice(0, limit);
      const rows = await rowsOf(db, userId, model, wanted);
      const gone = wanted.filter(({ assetId }) => !rows.has(assetId));
      if (gone.length > 0) {
        index.forget(
          userId,
          model,
          gone.map(({ assetId }) => assetId),
        );
        if (round < MAX_ROUNDS) continue;
      }
      return wanted.flatMap(({ assetId, score }) => {
        const row = rows.get(assetId);
        return row ? [{ row, score, match }] : [];
      });
    }
  };

  const byLikeness = async (userId: string, id: string, limit: number): Promise<Hit[]> => {
    const mine = await db
      .selectFrom('assets')
      .leftJoin('embeddings', 'embeddings.asset_id', 'assets.id')
      .select(['embeddings.model', sql<string | null>`vector::real[]::text`.as('vector')])
      .where('assets.user_id', '=', userId)
      .where('assets.id', '=', id)
      .executeTakeFirst();
    if (!mine) throw new ProblemError('not_found', 'There is no such asset');
    if (mine.model === null || mine.vector === null) return [];
    // `{1,2,3}`
    const vector = Float32Array.from(mine.vector.slice(1, -1).split(','), Number);
    return byVector({ userId, model: mine.model, vector }, 'likeness', limit, new Set([id]));
  };

  const byMeaning = async (
    queries: TextQueries,
    userId: string,
    text: string,
    limit: number,
    without: ReadonlySet<string>,
  ): Promise<Hit[]> => {
    const vector = toUnit(await queries.embed(text));
    return byVector({ userId, model: queries.model, vector }, 'meaning', limit, without);
  };

  const answer = async (hits: readonly Hit[], meaning: SearchResponse['meaning']) => ({
    results: await Promise.all(
      hits.map(async ({ row, score, match }) => ({ asset: await view.asset(row), score, match })),
    ),
    meaning,
  });

  return {
    async run(userId, { q, like, mode, limit }) {
      if (like !== undefined && q === undefined) {
        return answer(await byLikeness(userId, like, limit), 'unused');
      }
      if (q === undefined || like !== undefined) {
        throw new ProblemError('invalid_request', 'Give either q or like');
      }
      if (mode === 'meaning') {
        if (!textQueries) {
          const detail = 'mode: this server’s embedder takes no text; use words or auto';
          throw new ProblemError('invalid_request', detail);
        }
        return answer(await byMeaning(textQueries, userId, q, limit, new Set()), 'used');
      }
      const hits = await byWords(userId, q, limit);
      if (mode === 'words') return answer(hits, 'unused');
      if (!textQueries) return answer(hits, 'unsupported');
      const left = limit - hits.length;
      if (left === 0) return answer(hits, 'unused');
      const known = new Set(hits.map(({ row }) => row.id));
      try {
        const more = await byMeaning(textQueries, userId, q, left, known);
        return await answer([...hits, ...more], 'used');
      } catch (error) {
        // What the words found is still an answer.
        if (!(error instanceof ProblemError && error.code === 'unavailable')) throw error;
        return answer(hits, 'unavailable');
      }
    },
  };
}

/** The user's assets among them that still have a vector of this model. */
async function rowsOf(
  db: Database,
  userId: string,
  model: string,
  neighbours: readonly Neighbour[],
): Promise<Map<string, AssetRow>> {
  if (neighbours.length === 0) return new Map();
  const rows = await db
    .selectFrom('assets')
    .innerJoin('embeddings', 'embeddings.asset_id', 'assets.id')
    .selectAll('assets')
    .where('assets.user_id', '=', userId)
    .where('embeddings.user_id', '=', userId)
    .where('embeddings.model', '=', model)
    .where(
      'assets.id',
      'in',
      neighbours.map(({ assetId }) => assetId),
    )
    .execute();
  return new Map(rows.map((row) => [row.id, row]));
}
