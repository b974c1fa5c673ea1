/**
 * `@bulkhead/server/openai`: embeddings by a server that speaks OpenAI's `/embeddings`, with images as
 * Jina and Infinity take them. Needs the package `openai`.
 *
 * @module @bulkhead/server/openai
 */
import OpenAI, { APIConnectionError, APIError } from 'openai';
import * as z from 'zod';
import { resolveOptions } from '../config.ts';
import { type Embedder, EmbeddingError } from './embedder.ts';
import { errorOfSilence, errorOfStatus } from './provider-error.ts';
import { providerOptions, toDataUri } from './provider-options.ts';
import { readOutput } from './read-output.ts';

const optionsSchema = z.strictObject({
  ...providerOptions,
  /** Sent as the bearer token; servers of your own may take any. */
  apiKey: z.string().min(1),
  /** Such as https://api.jina.ai/v1. OpenAI's own models take no images. */
  baseURL: z.url(),
  model: z.string().min(1),
  /**
   * How a picture is put: `jina` as `input: [{ image }]` (texts: `[{ text }]`), `infinity` as `input: [image]`
   * with `modality: 'image'`. Default `jina`.
   */
  dialect: z.enum(['jina', 'infinity']).default('jina'),
  /** Default `float`. `base64` is four times smaller; what comes back is understood either way. */
  encodingFormat: z.enum(['float', 'base64']).default('float'),
  /** Further fields of the request, such as `{ dimensions: 512 }` or `{ normalized: true }`. */
  body: z.record(z.string(), z.unknown()).default({}),
  /** Whether the model embeds texts into the same space. Default true: it is a CLIP. */
  embedsText: z.boolean().default(true),
  /** Default 60. */
  requestsPerMinute: z.number().positive().default(60),
  /** Of one request. Default 30 s. */
  timeoutMs: z.int().positive().default(30_000),
});

/**
 * What `createOpenAiEmbedder` takes.
 *
 * @interface
 */
export type OpenAiEmbedderOptions = z.input<typeof optionsSchema>;

/**
 * An embedding server that speaks OpenAI's protocol. Each request carries the thumbnail itself.
 * @throws {OptionsError} naming every option that does not fit.
 */
export function createOpenAiEmbedder(options: OpenAiEmbedderOptions): Embedder {
  const resolved = resolveOptions(optionsSchema, options);
  const { baseURL, model, dialect, dimensions, requestsPerMinute, dailyRequests } = resolved;
  const provider = new URL(baseURL).host;
  const client = new OpenAI({
    apiKey: resolved.apiKey,
    baseURL,
    timeout: resolved.timeoutMs,
    // The schedule of retries is the lane's.
    maxRetries: 0,
    ...(resolved.fetch && { fetch: resolved.fetch }),
  });

  const embed = async (
    content: string,
    modality: 'image' | 'text',
    signal: AbortSignal,
  ): Promise<Float32Array> => {
    const input = dialect === 'jina' ? [{ [modality]: content }] : [content];
    const body = {
      ...resolved.body,
      model,
      input,
      encoding_format: resolved.encodingFormat,
      ...(dialect === 'infinity' && { modality }),
    };
    try {
      // Images are an extension, which the client's types do not know.
      const answer = await client.embeddings.create(
        body as unknown as OpenAI.EmbeddingCreateParams,
        { signal },
      );
      return readOutput(answer.data?.[0]?.embedding, '', dimensions);
    } catch (error) {
      signal.throwIfAborted();
      throw toEmbeddingError(provider, error);
    }
  };

  return {
    model: resolved.id ?? `${provider}:${model}`,
    dimensions,
    pace: { provider, requestsPerMinute, dailyRequests },
    embed: (image, signal) => embed(toDataUri(image), 'image', signal),
    ...(resolved.embedsText && {
      embedText: (text: string, signal: AbortSignal) => embed(text, 'text', signal),
    }),
  };
}

function toEmbeddingError(provider: string, error: unknown): EmbeddingError {
  if (error instanceof EmbeddingError) return error;
  if (error instanceof APIConnectionError || !(error instanceof APIError)) {
    return errorOfSilence(provider, error);
  }
  if (error.status === undefined) return errorOfSilence(provider, error);
  const retryAfter = error.headers?.get('retry-after');
  return errorOfStatus(provider, error.status, retryAfter, messageOf(error.error), undefined);
}

/** OpenAI's `{ message }`, or Jina's and FastAPI's `{ detail }`. */
function messageOf(body: unknown): unknown {
  if (typeof body !== 'object' || body === null) return undefined;
  return Reflect.get(body, 'message') ?? Reflect.get(body, 'detail');
}
