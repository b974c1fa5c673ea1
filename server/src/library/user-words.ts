import { sql } from 'kysely';
import type { AssetRow, Database } from '../database/schema.ts';
import { prefixTsquery } from './words.ts';

/** Before each word of a user: 16 hex digits at most, and a sign that no word has. */
const prefixOf = (userId: string) => `to_hex(hashtextextended(${userId}, 0)) || ':'`;

/**
 * The words of an asset, each behind its user's hash; letter by letter the expression of the index
 * `assets_words`. `img` stands in the names of all users, `5f…:img` in those of one, so that others' files
 * make nobody's search slower. Two users of one hash do no harm: every query asks for the user as well.
 */
export const USER_WORDS = `array_to_tsvector(string_to_array(
  ${prefixOf('user_id')} || replace(search_words, ' ', ' ' || ${prefixOf('user_id')}), ' '))`;

/**
 * So many of the newest are looked through first, 1.3 µs each: a word that every hundredth has, or more,
 * fills its page there, and the index need not be asked for hundreds of thousands to sort.
 */
const NEWEST_ROWS = 5000;

/** The newest `limit` assets in whose name or path every word of the text begins a word. */
export async function findByWords(
  db: Database,
  userId: string,
  text: string,
  limit: number,
): Promise<AssetRow[]> {
  // No word has an `@`.
  const pattern = prefixTsquery(text, '@');
  if (pattern === undefined) return [];
  const isMatch = sql<boolean>`${sql.raw(USER_WORDS)} @@
    replace(${pattern}, '@', to_hex(hashtextextended(${userId}, 0)) || ':')::tsquery`;
  const own = db.selectFrom('assets').selectAll().where('user_id', '=', userId);
  const newest = await db
    .selectFrom(own.orderBy('created_at', 'desc').orderBy('id').limit(NEWEST_ROWS).as('assets'))
    .selectAll()
    .where(isMatch)
    .orderBy('created_at', 'desc')
    .orderBy('id')
    .limit(limit)
    .execute();
  if (newest.length === limit) return newest;
  return (
    db
      // `offset 0` keeps the planner from walking a million pages in their order to find the one match.
      .selectFrom(own.where(isMatch).offset(0).as('assets'))
      .selectAll()
      .orderBy('created_at', 'desc')
      .orderBy('id')
      .limit(limit)
      .execute()
  );
}
