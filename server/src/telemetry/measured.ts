import type { Job, JobName } from '../jobs/queue.ts';
import { ProblemError } from '../problem-error.ts';
import type { Finalizer } from '../uploads/finalize.ts';
import type { CredentialIssuer } from '../uploads/issue-credentials.ts';
import type { Outcome, Stage, Telemetry } from './telemetry.ts';

/** Counts how many there are of each. */
function tally<T extends string>(items: Iterable<T>): Map<T, number> {
  const counts = new Map<T, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return counts;
}

function tell(
  telemetry: Telemetry,
  stage: Stage,
  results: readonly { outcome: Outcome; cause?: string | undefined }[],
): Record<string, number> {
  const outcomes = tally(results.map(({ outcome }) => outcome));
  for (const [outcome, count] of outcomes) telemetry.files(stage, outcome, count);
  const causes = tally(results.flatMap(({ cause }) => cause ?? []));
  for (const [cause, count] of causes) telemetry.failure(stage, cause, count);
  return Object.fromEntries(outcomes);
}

/** A whole request that failed. */
async function orTell<T>(telemetry: Telemetry, stage: Stage, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    telemetry.failure(stage, error instanceof ProblemError ? error.code : 'internal');
    throw error;
  }
}

export function measureIssuer(issuer: CredentialIssuer, telemetry: Telemetry): CredentialIssuer {
  return {
    issueBatch: (userId, files) =>
      telemetry.time('credentials', { files: files.length }, async (note) => {
        const work = issuer.issueBatch(userId, files);
        const results = await orTell(telemetry, 'credentials', work);
        const told = results.map((result) =>
          result.status === 'rejected'
            ? ({ outcome: 'refused', cause: result.error.code } as const)
            : { outcome: result.status },
        );
        note(tell(telemetry, 'credentials', told));
        return results;
      }),
    issueOne: (userId, file) =>
      telemetry.time('credentials', { files: 1 }, async (note) => {
        const work = issuer.issueOne(userId, file);
        const credential = await orTell(telemetry, 'credentials', work);
        note(tell(telemetry, 'credentials', [{ outcome: 'granted' }]));
        return credential;
      }),
  };
}

export function measureFinalizer(finalizer: Finalizer, telemetry: Telemetry): Finalizer {
  return {
    finalize: (userId, items, known) =>
      telemetry.time('finalize', { files: items.length }, async (note) => {
        const work = finalizer.finalize(userId, items, known);
        const results = await orTell(telemetry, 'finalize', work);
        const told = results.map((result) => {
          if (!result.success) return { outcome: 'refused', cause: result.error.code } as const;
          return { outcome: result.asset.isDuplicate ? 'duplicate' : 'finalized' } as const;
        });
        note(tell(telemetry, 'finalize', told));
        return results;
      }),
  };
}

/** A job's handler, timed and as a span. What came of the job, the handler tells itself. */
export function measureJob(
  name: JobName,
  handler: (job: Job) => Promise<void>,
  telemetry: Telemetry,
): (job: Job) => Promise<void> {
  return (job) => {
    const attributes = { attempt: job.attempt, asset_id: job.data.assetId };
    return telemetry.time(name, attributes, () => handler(job));
  };
}
