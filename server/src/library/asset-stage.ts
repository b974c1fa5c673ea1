import type { AssetStage } from 'bulkhead/protocol';
import { sql } from 'kysely';

/** The stage of a row, letter by letter as the index `assets_stage` has it. */
const STAGE = sql.raw<AssetStage>(`case when failed then 'failed'
  when not processed then 'processing' when not embedded then 'embedding' else 'searchable' end`);

/** The rows that `stageOf` calls so. */
export const isInStage = (stage: AssetStage) => sql<boolean>`(${STAGE}) = ${stage}`;
