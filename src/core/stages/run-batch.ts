import type { UploadError } from '../../errors/upload-error.ts';
import type { Lane } from '../lane.ts';
import type { Upload } from '../upload-state.ts';
import { asUploadError, haltsOn, type StageContext } from './stage.ts';

/** `refused`: the server spoke of this file. `gave-up`: the whole request failed. */
export type FailedEnding = 'refused' | 'gave-up';

export interface BatchRun<Result extends { readonly status: string }> {
  readonly stage: 'credentials' | 'finalize';
  readonly lane: Lane;
  readonly batch: readonly Upload[];
  /** Gives one result for each upload. */
  readonly call: () => Promise<readonly (Result | FailedResult)[]>;
  readonly settle: (id: string, result: Result) => void;
  readonly fail: (
    id: string,
    error: UploadError,
    costsAttempt: boolean,
    ending: FailedEnding,
  ) => void;
}

interface FailedResult {
  readonly status: 'failed';
  readonly error: UploadError;
}

const isFailed = (result: { readonly status: string }): result is FailedResult =>
  result.status === 'failed';

/** One request for many uploads: each is settled by its own result, or all by the request's failure. */
export async function runBatch<Result extends { readonly status: string }>(
  context: StageContext,
  { stage, lane, batch, call, settle, fail }: BatchRun<Result>,
): Promise<void> {
  const { signal, runtime, telemetry } = context;
  const startMs = runtime.now();
  const files = batch.length;
  try {
    const results = await call();
    telemetry.span(stage, startMs, { uploadId: null, outcome: 'ok', files });
    lane.succeeded();
    context.stops.apiSucceeded();
    for (const [index, { id }] of batch.entries()) {
      const result = results[index];
      if (result === undefined) continue;
      if (isFailed(result)) fail(id, result.error, true, 'refused');
      else settle(id, result);
    }
  } catch (cause) {
    if (signal.aborted) return;
    const error = asUploadError(context, cause);
    const { code } = error;
    telemetry.span(stage, startMs, { uploadId: null, outcome: 'failed', code, files });
    const isHalted = haltsOn(context, error, startMs);
    const costsAttempt = !isHalted && lane.failed(error);
    for (const { id } of batch) fail(id, error, costsAttempt, 'gave-up');
  }
}
