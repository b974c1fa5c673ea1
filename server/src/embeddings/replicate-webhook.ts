import { MAX_JSON_BYTES } from 'bulkhead/protocol';
import { validateWebhook } from 'replicate';
import * as z from 'zod';
import type { Clock } from '../clock.ts';
import { ProblemError } from '../problem-error.ts';
import { readText } from '../routes/read-json.ts';
import type { Webhook } from '../routes/webhooks.ts';
import type { Predictions } from './predictions.ts';

export interface ReplicateWebhookOptions {
  /** The account's signing secret, `whsec_…`, as `GET /v1/webhooks/default/secret` gives it. */
  secret: string;
  /** The same table as the embedder's. */
  predictions: Predictions;
  clock?: Clock;
}

/** Older ones, and ones from the future, are taken for replays. */
const MAX_AGE_SECONDS = 5 * 60;

const bodySchema = z.object({ id: z.string().min(1).max(200) });

/**
 * Answers `POST /api/webhooks/replicate`. It only says that a prediction has ended: the result is asked of
 * Replicate, so that nothing in the body is believed but the id. Refused: a signature that does not fit
 * (401), a time more than five minutes off (401), a prediction that is unknown or was announced before
 * (404).
 */
export function createReplicateWebhook(options: ReplicateWebhookOptions): Webhook {
  const { secret, predictions, clock = Date.now } = options;
  if (secret === '') throw new RangeError('secret: give the signing secret of the account');
  return async (request) => {
    const id = request.headers.get('webhook-id') ?? '';
    const timestamp = request.headers.get('webhook-timestamp') ?? '';
    const signature = request.headers.get('webhook-signature') ?? '';
    if (!id || !signature || !/^\d{1,12}$/.test(timestamp)) throw refused('It is not signed');
    const ageSeconds = Math.abs(clock() / 1000 - Number(timestamp));
    if (ageSeconds > MAX_AGE_SECONDS) throw refused('Its time is more than five minutes off');
    const body = await readText(request, MAX_JSON_BYTES);
    if (body === '' || !(await validateWebhook({ id, timestamp, signature, body, secret }))) {
      throw refused('Its signature does not fit');
    }
    const prediction = bodySchema.safeParse(parseJson(body));
    if (!prediction.success) throw new ProblemError('invalid_request', 'id: expected a prediction');
    if (!(await predictions.announce(prediction.data.id))) {
      throw new ProblemError('not_found', 'No prediction of this id waits for its end');
    }
    return Response.json({ success: true });
  };
}

function refused(why: string): ProblemError {
  return new ProblemError('unauthenticated', `The webhook was refused: ${why}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ProblemError('invalid_json', undefined, { cause });
  }
}
