import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OptionsError } from '../src/config.ts';
import { EmbeddingError } from '../src/embeddings/embedder.ts';
import {
  createReplicateEmbedder,
  type ReplicateEmbedderOptions,
} from '../src/embeddings/replicate.ts';
import {
  base64Floats,
  type FakeProvider,
  type ProviderAnswer,
  startFakeProvider,
} from './fixtures/fake-provider.ts';

// The official client, against a server that answers in Replicate's shapes.

const IMAGE = Uint8Array.from([1, 2, 3, 250]);
const DATA_URI = 'data:image/webp;base64,AQID+g==';

let provider: FakeProvider;
beforeEach(async () => {
  provider = await startFakeProvider();
});
afterEach(() => provider.close());

const embedderOf = (options: Partial<ReplicateEmbedderOptions> = {}) =>
  createReplicateEmbedder({
    token: 'r8_secret',
    model: 'owner/clip',
    dimensions: 3,
    baseUrl: `${provider.url}/v1`,
    pollIntervalMs: 5,
    ...options,
  });

const prediction = (fields: object): ProviderAnswer => ({
  body: { id: 'p1', status: 'starting', urls: {}, ...fields },
});
const gives = (output: unknown) => () => prediction({ status: 'succeeded', output });
const never = new AbortController().signal;

async function failureOf(work: Promise<unknown>): Promise<EmbeddingError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(EmbeddingError);
  return error as EmbeddingError;
}

describe('a model on Replicate', () => {
  it('is sent the thumbnail’s bytes in the request, and nothing else of the asset', async () => {
    provider.answer = gives([1, 2, 3]);
    await embedderOf({ imageInputs: { input_type: 'image' } }).embed(IMAGE, never);
    expect(provider.requests).toHaveLength(1);
    expect(provider.requests[0]).toMatchObject({
      method: 'POST',
      path: '/v1/models/owner/clip/predictions',
      headers: { authorization: 'Bearer r8_secret' },
    });
    expect(provider.requests[0]?.body).toEqual({ input: { input_type: 'image', image: DATA_URI } });
  });

  it('is named by its version where one is given, which is stored with the vectors', async () => {
    provider.answer = gives([1, 2, 3]);
    const embedder = embedderOf({ model: 'owner/clip:0123456789ab' });
    await embedder.embed(IMAGE, never);
    expect(provider.requests[0]?.path).toBe('/v1/predictions');
    expect(provider.requests[0]?.body.version).toBe('0123456789ab');
    expect(embedder.model).toBe('replicate:owner/clip:0123456789ab');
    expect(embedder.pace).toEqual({ provider: 'replicate', requestsPerMinute: 5 });
  });

  it.each([
    ['a list', [1, 2, 3], ''],
    ['a list in a list', [[1, 2, 3]], ''],
    ['an object’s field', { image_vector: [1, 2, 3] }, 'image_vector'],
    ['a field of a list’s first element', [{ embedding: [1, 2, 3] }, {}], '0.embedding'],
    ['base64', base64Floats([1, 2, 3]), ''],
    ['base64 in a list', [base64Floats([1, 2, 3])], ''],
  ])('may answer with %s', async (_, output, outputPath) => {
    provider.answer = gives(output);
    const vector = await embedderOf({ outputPath }).embed(IMAGE, never);
    expect([...vector]).toEqual([1, 2, 3]);
  });

  it('is asked until the prediction has ended', async () => {
    const states = ['starting', 'processing', 'processing'];
    provider.answer = () => {
      const status = states.shift();
      return status
        ? prediction({ status })
        : prediction({ status: 'succeeded', output: [1, 2, 3] });
    };
    expect([...(await embedderOf().embed(IMAGE, never))]).toEqual([1, 2, 3]);
    expect(provider.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'POST /v1/models/owner/clip/predictions',
      ...Array(3).fill('GET /v1/predictions/p1'),
    ]);
  });

  it('embeds texts where it was told the input for them', async () => {
    provider.answer = gives({ text: [[4, 5, 6]] });
    const embedder = embedderOf({
      textInput: 'text',
      textInputs: { input_type: 'text' },
      textOutputPath: 'text',
    });
    expect([...((await embedder.embedText?.('a red boat', never)) ?? [])]).toEqual([4, 5, 6]);
    expect(provider.requests[0]?.body).toEqual({
      input: { input_type: 'text', text: 'a red boat' },
    });
    expect(embedderOf().embedText).toBeUndefined();
  });
});

describe('a model on Replicate that fails', () => {
  it('by 429 is throttled for as long as it says, after one request', async () => {
    provider.answer = () => ({
      status: 429,
      headers: { 'retry-after': '7' },
      body: { detail: 'Request was throttled.', status: 429 },
    });
    const error = await failureOf(embedderOf().embed(IMAGE, never));
    expect(error).toMatchObject({ kind: 'throttled', retryAfterSeconds: 7 });
    expect(error.message).toBe('Replicate answered 429: Request was throttled.');
    // The client itself would have asked six times at once.
    expect(provider.requests).toHaveLength(1);
  });

  it.each([
    [500, 'unavailable'],
    [503, 'unavailable'],
    [401, 'unavailable'],
    [402, 'unavailable'],
    [404, 'unavailable'],
    [422, 'permanent'],
  ])('by %i is %s', async (status, kind) => {
    provider.answer = () => ({ status, body: { detail: `no: ${DATA_URI}` } });
    const error = await failureOf(embedderOf().embed(IMAGE, never));
    expect(error.kind).toBe(kind);
    expect(error.message).not.toContain('AQID');
    expect(provider.requests).toHaveLength(1);
  });

  it('by a 5xx while it is polled is down, after one request more', async () => {
    provider.answer = ({ method }) => (method === 'POST' ? prediction({}) : { status: 502 });
    expect((await failureOf(embedderOf().embed(IMAGE, never))).kind).toBe('unavailable');
    expect(provider.requests).toHaveLength(2);
  });

  it.each(['failed', 'canceled', 'aborted'])('as “%s” costs an attempt', async (status) => {
    provider.answer = () => prediction({ status, error: 'CUDA out of memory' });
    const error = await failureOf(embedderOf().embed(IMAGE, never));
    expect(error.kind).toBe('transient');
    expect(error.message).toBe(`The model ${status}: CUDA out of memory`);
  });

  it.each([
    ['too few numbers', [1, 2], 'gave 2 numbers where 3'],
    ['not a number', [1, null, 3], 'gave no vector'],
    ['only zeros', [0, 0, 0], 'not all 0'],
    ['something else', { other: 1 }, 'an object with other'],
    ['nothing', null, 'gave no vector'],
  ])('by giving %s fails for good, and says what came', async (_, output, words) => {
    provider.answer = gives(output);
    const error = await failureOf(embedderOf().embed(IMAGE, never));
    expect(error.kind).toBe('permanent');
    expect(error.message).toContain(words);
  });

  it('by refusing connections is down', async () => {
    await provider.close();
    const error = await failureOf(embedderOf().embed(IMAGE, never));
    expect(error).toMatchObject({
      kind: 'unavailable',
      message: 'Replicate did not answer (ECONNREFUSED)',
    });
    provider = await startFakeProvider();
  });

  it('by silence is down, after the time of one request', async () => {
    provider.answer = () => ({ hangs: true });
    const error = await failureOf(embedderOf({ requestTimeoutMs: 50 }).embed(IMAGE, never));
    expect(error).toMatchObject({
      kind: 'unavailable',
      message: 'Replicate did not answer (timeout)',
    });
    expect(provider.requests).toHaveLength(1);
  });

  it('by not ending in time is down, and the prediction is cancelled', async () => {
    provider.answer = () => prediction({ status: 'processing' });
    const error = await failureOf(embedderOf({ timeoutMs: 60 }).embed(IMAGE, never));
    expect(error).toMatchObject({
      kind: 'unavailable',
      message: 'Replicate gave no result within 0.06 s',
    });
    expect(provider.requests.at(-1)).toMatchObject({
      method: 'POST',
      path: '/v1/predictions/p1/cancel',
    });
  });

  it('cancels the prediction when the worker stops', async () => {
    const controller = new AbortController();
    provider.answer = ({ method }) => {
      if (method === 'GET') controller.abort(new Error('stopping'));
      return prediction({ status: 'processing' });
    };
    await expect(embedderOf().embed(IMAGE, controller.signal)).rejects.toThrow('stopping');
    expect(provider.requests.at(-1)?.path).toBe('/v1/predictions/p1/cancel');
  });
});

it('names every option that does not fit', () => {
  const options = { token: '', model: 'clip', dimensions: 0, outputpath: 'x' } as never;
  expect(() => createReplicateEmbedder(options)).toThrow(OptionsError);
  for (const name of ['token', 'model: expected owner/name', 'dimensions', 'outputpath']) {
    expect(() => createReplicateEmbedder(options)).toThrow(name);
  }
});
