import { type Asset, type ProblemCode, problemCodes } from 'bulkhead/protocol';
import { type ExpressionBuilder, sql } from 'kysely';
import * as z from 'zod/mini';
import { changeAssets, unfailed } from '../database/change-assets.ts';
import type { Database, Schema } from '../database/schema.ts';
import type { ChangeFeed } from '../events/change-feed.ts';
import type { JobName, Queue } from '../jobs/queue.ts';
import type { AssetView } from './asset-view.ts';
import { readPage } from './read-page.ts';

/** A person's retry goes before everything that waits by itself; an operator's does not. */
const RETRY_PRIORITY = 10;
/** Assets of one transaction: a few hundred milliseconds of their owners' locks. */
const BATCH = 500;
/** Most assets that one request of a user redrives. */
export const MAX_USER_REDRIVE = 500;
/** Most assets that one request of the operator redrives. */
export const MAX_OPERATOR_REDRIVE = 10_000;

const cause = {
  code: z.optional(z.enum(problemCodes)),
  stage: z.optional(z.enum(['process', 'embed'])),
};

/** `GET /api/dead-letters`. */
export const deadLettersQuerySchema = z.strictObject({
  ...cause,
  cursor: z.optional(z.string()),
  limit: z._default(z.coerce.number().check(z.int(), z.minimum(1), z.maximum(200)), 100),
});

const redriveSchema = (max: number) =>
  z
    .strictObject({
      ...cause,
      limit: z._default(z.number().check(z.int(), z.minimum(1), z.maximum(max)), max),
    })
    .check(
      z.refine(({ code, stage }) => code !== undefined || stage !== undefined, {
        error: 'Give code, stage, or both: the cause to redrive by',
      }),
    );
/** `POST /api/assets/retry-processing`. */
export const userRedriveSchema = redriveSchema(MAX_USER_REDRIVE);
/** `POST /admin/api/redrive`. */
export const operatorRedriveSchema = redriveSchema(MAX_OPERATOR_REDRIVE);

/** By what dead letters are told apart; what is left out fits all. */
export interface Cause {
  code?: ProblemCode | undefined;
  stage?: JobName | undefined;
}

export interface CauseCount {
  code: ProblemCode;
  stage: JobName;
  count: number;
  /** ISO 8601, of the newest. */
  lastFailedAt: string;
}

export interface Redriven {
  redriven: number;
  /** Of the same cause, still dead. */
  remaining: number;
}

/** Assets that failed for good. With a user, of that one only; without, of all (the operator's view). */
export interface DeadLetters {
  /** The most frequent first. */
  causes(userId?: string): Promise<CauseCount[]>;
  /** Newest first, by creation. */
  page(
    userId: string,
    query: Cause & { cursor?: string | undefined; limit: number },
  ): Promise<{ deadLetters: Asset[]; nextCursor: string | null }>;
  /** Gives them their attempts back and enqueues them, oldest first. What is not dead is left alone. */
  redrive(userId: string | undefined, cause: Cause & { limit: number }): Promise<Redriven>;
}

const CODE = sql<ProblemCode>`coalesce(
  case when processed then embedding_error ->> 'code' else processing_error ->> 'code' end,
  'internal'
)`;
const STAGE = sql<JobName>`case when processed then 'embed' else 'process' end`;

export function createDeadLetters(parts: {
  db: Database;
  queue: Queue;
  view: AssetView;
  changes: ChangeFeed;
}): DeadLetters {
  const { db, queue, view, changes } = parts;

  /** One batch, in one transaction, or nothing when there are none. */
  const redriveBatch = async (userId: string | undefined, cause: Cause, limit: number) => {
    const candidates = await db
      .selectFrom('assets')
      .select(['id', 'user_id'])
      .where(isDead(userId, cause))
      .orderBy('created_at')
      .orderBy('id')
      .limit(limit)
      .execute();
    if (candidates.length === 0) return 0;
    const users = new Set(candidates.map((row) => row.user_id));
    const ids = candidates.map((row) => row.id);
    const redriven = await changeAssets(db, users, async (tx) => {
      const rows = await tx
        .updateTable('assets')
        .set({
          ...unfailed(),
        })
        .where('id', '=', sql<string>`any(${ids}::uuid[])`)
        // Whoever came first, in this process or another, has redriven it: once is enough.
        .where(isDead(userId, cause))
        .returning(['id', 'processed'])
        .execute();
      const priority = userId === undefined ? 0 : RETRY_PRIORITY;
      for (const stage of ['process', 'embed'] as const) {
        const jobs = rows
          .filter((row) => row.processed === (stage === 'embed'))
          .map(({ id }) => ({ assetId: id }));
        if (jobs.length > 0) await queue.enqueue(tx, stage, jobs, { priority });
      }
      return rows.length;
    });
    changes.changed(users);
    return redriven;
  };

  return {
    async causes(userId) {
      const rows = await db
        .selectFrom('assets')
        .select([CODE.as('code'), STAGE.as('stage')])
        .select(({ fn }) => [fn.countAll<number>().as('count'), fn.max('updated_at').as('last')])
        .where(isDead(userId, {}))
        .groupBy([CODE, STAGE])
        .orderBy('count', 'desc')
        .orderBy('code')
        .execute();
      return rows.map(({ last, ...row }) => ({ ...row, lastFailedAt: last.toISOString() }));
    },

    async page(userId, { cursor, limit, ...cause }) {
      const dead = db.selectFrom('assets').selectAll().where(isDead(userId, cause));
      const { rows, nextCursor } = await readPage(dead, { cursor, limit });
      return { deadLetters: await Promise.all(rows.map((row) => view.asset(row))), nextCursor };
    },

    async redrive(userId, { limit, ...cause }) {
      let redriven = 0;
      while (redriven < limit) {
        const wanted = Math.min(BATCH, limit - redriven);
        const count = await redriveBatch(userId, cause, wanted);
        redriven += count;
        if (count < wanted) break;
      }
      const { remaining } = await db
        .selectFrom('assets')
        .select(({ fn }) => fn.countAll<number>().as('remaining'))
        .where(isDead(userId, cause))
        .executeTakeFirstOrThrow();
      return { redriven, remaining };
    },
  };
}

function isDead(userId: string | undefined, { code, stage }: Cause) {
  return (eb: ExpressionBuilder<Schema, 'assets'>) =>
    eb.and([
      // Spelt out, as the partial index has it.
      eb('failed', '=', sql.lit(true)),
      ...(userId === undefined ? [] : [eb('user_id', '=', userId)]),
      ...(code === undefined ? [] : [eb(CODE, '=', code)]),
      ...(stage === undefined ? [] : [eb('processed', '=', stage === 'embed')]),
    ]);
}
