/**
 * `@bulkhead/server/replicate`: embeddings by a model on Replicate. Needs the package `replicate`.
 *
 * @module @bulkhead/server/replicate
 */
import { setTimeout as sleep } from 'node:timers/promises';
import Replicate, { type ApiError, type Prediction } from 'replicate';
import * as z from 'zod';
import { resolveOptions } from '../config.ts';
import { type Embedder, EmbeddingError } from './embedder.ts';
import type { Predictions } from './predictions.ts';
import { errorOfSilence, errorOfStatus, sayBriefly } from './provider-error.ts';
import { providerOptions, toDataUri } from './provider-options.ts';
import { readOutput } from './read-output.ts';

export { createPredictions, type Predictions } from './predictions.ts';
export { createReplicateWebhook, type ReplicateWebhookOptions } from './replicate-webhook.ts';

const MODEL = /^([\w.-]+\/[\w.-]+)(?::([0-9a-f]{6,64}))?$/;
const inputs = z.record(z.string(), z.unknown());

const optionsSchema = z.strictObject({
  ...providerOptions,
  /** An API token. */
  token: z.string().min(1),
  /** `owner/name`, or `owner/name:version`; a version never changes under way. */
  model: z.string().regex(MODEL, 'expected owner/name or owner/name:version'),
  /** The input that takes the picture. Default `image`. */
  imageInput: z.string().min(1).default('image'),
  /** Further inputs beside the picture, such as `{ input_type: 'image' }`. */
  imageInputs: inputs.default({}),
  /** The input that takes a text. Default: none, so that search goes by words only. */
  textInput: z.string().min(1).optional(),
  /** Further inputs beside the text. */
  textInputs: inputs.default({}),
  /** Where the vector lies in the output, such as `image_vector` or `0.embedding`. Default: all of it. */
  outputPath: z.string().default(''),
  /** The same for texts. Default: as for pictures. */
  textOutputPath: z.string().optional(),
  /** Default 5: what an account without a card may do. */
  requestsPerMinute: z.number().positive().default(5),
  /** From the request to the result. Default 5 min: a model that sleeps takes minutes to boot. */
  timeoutMs: z
    .int()
    .positive()
    .default(5 * 60_000),
  /** Of one HTTP request. Default 30 s. */
  requestTimeoutMs: z.int().positive().default(30_000),
  /** How often a prediction is looked at, at first; later less often. Default 1 s. */
  pollIntervalMs: z.int().positive().default(1000),
  /** Default Replicate's own, https://api.replicate.com/v1. */
  baseUrl: z.url().optional(),
  /** Be told of the end instead of asking. The result is fetched all the same. */
  webhook: z
    .strictObject({
      /** Where `createReplicateWebhook` is reached from the internet, https. */
      url: z.url(),
      predictions: z.custom<Predictions>(
        (value) => typeof value === 'object' && value !== null,
        'expected what createPredictions made',
      ),
    })
    .optional(),
});

/**
 * What `createReplicateEmbedder` takes.
 *
 * @interface
 */
export type ReplicateEmbedderOptions = z.input<typeof optionsSchema>;
type Resolved = z.output<typeof optionsSchema>;

const PROVIDER = 'Replicate';
const MAX_POLL_MS = 10_000;
/** With a webhook, which may get lost, it is looked at so often all the same. */
const WEBHOOK_POLL_MS = 30_000;
const CANCEL_TIMEOUT_MS = 5000;

/**
 * A model on Replicate. Each image is one prediction, which carries the thumbnail itself. One that is
 * given up (timeout, worker stopped) is cancelled.
 * @throws {OptionsError} naming every option that does not fit.
 */
export function createReplicateEmbedder(options: ReplicateEmbedderOptions): Embedder {
  const resolved = resolveOptions(optionsSchema, options);
  const { dimensions, textInput, outputPath, requestsPerMinute, dailyRequests } = resolved;
  const client = new Replicate({
    auth: resolved.token,
    ...(resolved.baseUrl !== undefined && { baseUrl: resolved.baseUrl }),
    fetch: onceFetch(resolved.fetch ?? fetch, resolved.requestTimeoutMs) as never,
    useFileOutput: false,
  });
  const predict = async (input: object, path: string, signal: AbortSignal) =>
    readOutput(await runPrediction(client, resolved, input, signal), path, dimensions);

  return {
    model: resolved.id ?? `replicate:${resolved.model}`,
    dimensions,
    pace: { provider: 'replicate', requestsPerMinute, dailyRequests },
    embed: (image, signal) =>
      predict(
        { ...resolved.imageInputs, [resolved.imageInput]: toDataUri(image) },
        outputPath,
        signal,
      ),
    ...(textInput !== undefined && {
      embedText: (text: string, signal: AbortSignal) =>
        predict(
          { ...resolved.textInputs, [textInput]: text },
          resolved.textOutputPath ?? outputPath,
          signal,
        ),
    }),
  };
}

async function runPrediction(
  client: Replicate,
  options: Resolved,
  input: object,
  callerSignal: AbortSignal,
): Promise<unknown> {
  const deadline = AbortSignal.timeout(options.timeoutMs);
  const signal = AbortSignal.any([callerSignal, deadline]);
  let prediction: Prediction | undefined;
  try {
    prediction = await create(client, options, input, signal);
    const ended = await waitForEnd(client, options, prediction, signal);
    return outputOf(ended);
  } catch (error) {
    if (signal.aborted) {
      if (prediction) await cancel(client, prediction);
      callerSignal.throwIfAborted();
      throw new EmbeddingError(
        `${PROVIDER} gave no result within ${options.timeoutMs / 1000} s`,
        'unavailable',
        { cause: error },
      );
    }
    throw await toEmbeddingError(error);
  }
}

function create(
  client: Replicate,
  { model: ref, webhook }: Resolved,
  input: object,
  signal: AbortSignal,
): Promise<Prediction> {
  const [, model = '', version] = MODEL.exec(ref) ?? [];
  return client.predictions.create({
    ...(version === undefined ? { model } : { version }),
    input,
    ...(webhook && { webhook: webhook.url, webhook_events_filter: ['completed'] as const }),
    signal,
  } as Parameters<Replicate['predictions']['create']>[0]);
}

async function waitForEnd(
  client: Replicate,
  { pollIntervalMs, webhook }: Resolved,
  created: Prediction,
  signal: AbortSignal,
): Promise<Prediction> {
  let prediction = created;
  if (webhook && !hasEnded(prediction)) await expectEnd(client, webhook.predictions, prediction);
  let waitMs = pollIntervalMs;
  while (!hasEnded(prediction)) {
    if (webhook) await webhook.predictions.wait(prediction.id, WEBHOOK_POLL_MS, signal);
    else await sleep(waitMs, undefined, { signal });
    waitMs = Math.min(MAX_POLL_MS, waitMs * 1.5);
    prediction = await client.predictions.get(created.id, { signal });
  }
  return prediction;
}

/** What fails here is this server's own database, not Replicate. */
async function expectEnd(
  client: Replicate,
  predictions: Predictions,
  prediction: Prediction,
): Promise<void> {
  try {
    await predictions.expect(prediction.id);
  } catch (cause) {
    await cancel(client, prediction);
    const message = 'The database could not note that a prediction is under way';
    throw new EmbeddingError(message, 'unavailable', { cause });
  }
}

function hasEnded({ status }: Prediction): boolean {
  return status !== 'starting' && status !== 'processing';
}

function outputOf({ status, output, error }: Prediction): unknown {
  if (status === 'succeeded') return output;
  const said = sayBriefly(error);
  throw new EmbeddingError(`The model ${status}${said ? `: ${said}` : ''}`, 'transient');
}

/** It goes on costing money otherwise. That it cannot be cancelled changes nothing for the caller. */
async function cancel(client: Replicate, { id }: Prediction): Promise<void> {
  const signal = AbortSignal.timeout(CANCEL_TIMEOUT_MS);
  await client.predictions.cancel(id, { signal }).catch(() => {});
}

async function toEmbeddingError(error: unknown): Promise<EmbeddingError> {
  if (error instanceof EmbeddingError) return error;
  const response = (error as Partial<ApiError>).response;
  if (!(error instanceof Error) || !response) return errorOfSilence(PROVIDER, error);
  // The client's own message holds the whole body, which may repeat the image.
  const detail = /"(?:detail|title)"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(error.message)?.[1];
  const retryAfter = response.headers.get('retry-after');
  return errorOfStatus(PROVIDER, response.status, retryAfter, detail, undefined);
}

/**
 * The client (1.4.0) repeats a request that was throttled, or that failed, five times at once, without a
 * pause and without regard to Retry-After. One call of it is one request here: repeats get the first
 * answer. The schedule of retries is the lane's.
 */
function onceFetch(inner: typeof fetch, timeoutMs: number): typeof fetch {
  const answers = new WeakMap<RequestInit, Promise<Response>>();
  return (url, init = {}) => {
    const known = answers.get(init);
    if (known) return known;
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = init.signal ? AbortSignal.any([init.signal, timeout]) : timeout;
    const answer = inner(url, { ...init, signal });
    answers.set(init, answer);
    return answer;
  };
}
