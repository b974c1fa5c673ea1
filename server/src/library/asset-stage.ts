import type { AssetStage } from 'bulkhead/protocol';
import { sql } from 'kysely';

/**
 * Whose a row is and its stage in one, such as `ada:searchable`: the expression of the index
 * `assets_stage`, letter by letter. No stage has a colon, so that no two users have one in common. As two
 * conditions, the planner would walk all the user's assets where most are in the stage; and where those
 * are the older ones, it would walk past all the others.
 */
export const USER_STAGE = `(user_id || case when failed then ':failed'
  when not processed then ':processing' when not embedded then ':embedding' else ':searchable' end)`;

/** One user's rows that `stageOf` calls so. */
export const isInStage = (userId: string, stage: AssetStage) =>
  sql<boolean>`${sql.raw(USER_STAGE)} = ${`${userId}:${stage}`}`;
