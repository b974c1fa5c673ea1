import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OptionsError } from '../src/config.ts';
import { EmbeddingError } from '../src/embeddings/embedder.ts';
import { createOpenAiEmbedder, type OpenAiEmbedderOptions } from '../src/embeddings/openai.ts';
import { base64Floats, type FakeProvider, startFakeProvider } from './fixtures/fake-provider.ts';

// The official client, against a server that answers in OpenAI's shapes.

const IMAGE = Uint8Array.from([1, 2, 3, 250]);
const DATA_URI = 'data:image/webp;base64,AQID+g==';
const never = new AbortController().signal;

let provider: FakeProvider;
beforeEach(async () => {
  provider = await startFakeProvider();
});
afterEach(() => provider.close());

const embedderOf = (options: Partial<OpenAiEmbedderOptions> = {}) =>
  createOpenAiEmbedder({
    apiKey: 'sk-secret',
    baseURL: `${provider.url}/v1`,
    model: 'jina-clip-v2',
    dimensions: 3,
    ...options,
  });

const gives = (embedding: unknown) => () => ({
  body: { object: 'list', model: 'm', data: [{ object: 'embedding', index: 0, embedding }] },
});

async function failureOf(work: Promise<unknown>): Promise<EmbeddingError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(EmbeddingError);
  return error as EmbeddingError;
}

describe('a server that speaks OpenAI’s protocol', () => {
  it('is sent the thumbnail’s bytes as Jina takes them, and nothing else of the asset', async () => {
    provider.answer = gives([1, 2, 3]);
    await embedderOf({ body: { normalized: true } }).embed(IMAGE, never);
    expect(provider.requests).toHaveLength(1);
    expect(provider.requests[0]).toMatchObject({
      method: 'POST',
      path: '/v1/embeddings',
      headers: { authorization: 'Bearer sk-secret' },
    });
    expect(provider.requests[0]?.body).toEqual({
      model: 'jina-clip-v2',
      input: [{ image: DATA_URI }],
      encoding_format: 'float',
      normalized: true,
    });
  });

  it('is sent them as Infinity takes them', async () => {
    provider.answer = gives([1, 2, 3]);
    const embedder = embedderOf({ dialect: 'infinity' });
    await embedder.embed(IMAGE, never);
    await embedder.embedText?.('a red boat', never);
    expect(provider.requests.map(({ body }) => body)).toMatchObject([
      { input: [DATA_URI], modality: 'image' },
      { input: ['a red boat'], modality: 'text' },
    ]);
  });

  it.each(['float', 'base64'] as const)(
    'may be asked for %s, and answer in either',
    async (format) => {
      const embedder = embedderOf({ encodingFormat: format });
      for (const embedding of [[1, 2, 3], base64Floats([1, 2, 3])]) {
        provider.answer = gives(embedding);
        expect([...(await embedder.embed(IMAGE, never))]).toEqual([1, 2, 3]);
      }
      expect(provider.requests[0]?.body.encoding_format).toBe(format);
    },
  );

  it('embeds texts too, unless told that the model cannot', async () => {
    provider.answer = gives([4, 5, 6]);
    const embedder = embedderOf();
    expect([...((await embedder.embedText?.('a red boat', never)) ?? [])]).toEqual([4, 5, 6]);
    expect(provider.requests[0]?.body.input).toEqual([{ text: 'a red boat' }]);
    expect(embedderOf({ embedsText: false }).embedText).toBeUndefined();
  });

  it('is known by its host and model, and has a pace', () => {
    const embedder = embedderOf({ requestsPerMinute: 30, dailyRequests: 1000 });
    const host = new URL(provider.url).host;
    expect(embedder.model).toBe(`${host}:jina-clip-v2`);
    expect(embedder.pace).toEqual({ provider: host, requestsPerMinute: 30, dailyRequests: 1000 });
    expect(embedderOf({ id: 'clip@512' }).model).toBe('clip@512');
  });
});

describe('a server that speaks OpenAI’s protocol and fails', () => {
  it('by 429 is throttled for as long as it says, after one request', async () => {
    provider.answer = () => ({
      status: 429,
      headers: { 'retry-after': '12' },
      body: { error: { message: 'Rate limit reached' } },
    });
    const error = await failureOf(embedderOf().embed(IMAGE, never));
    expect(error).toMatchObject({ kind: 'throttled', retryAfterSeconds: 12 });
    expect(error.message).toContain('answered 429: Rate limit reached');
    expect(provider.requests).toHaveLength(1);
  });

  it.each([
    [500, 'unavailable'],
    [529, 'unavailable'],
    [401, 'unavailable'],
    [403, 'unavailable'],
    [404, 'unavailable'],
    [400, 'permanent'],
    [413, 'permanent'],
    [422, 'permanent'],
  ])('by %i is %s', async (status, kind) => {
    provider.answer = () => ({ status, body: { error: { message: `no: ${DATA_URI}` } } });
    const error = await failureOf(embedderOf().embed(IMAGE, never));
    expect(error.kind).toBe(kind);
    expect(error.message).not.toContain('AQID');
    expect(provider.requests).toHaveLength(1);
  });

  it('by silence is down, after the time of one request', async () => {
    provider.answer = () => ({ hangs: true });
    const error = await failureOf(embedderOf({ timeoutMs: 50 }).embed(IMAGE, never));
    expect(error.kind).toBe('unavailable');
    expect(provider.requests).toHaveLength(1);
  });

  it('by refusing connections is down', async () => {
    await provider.close();
    expect((await failureOf(embedderOf().embed(IMAGE, never))).kind).toBe('unavailable');
    provider = await startFakeProvider();
  });

  it('by a vector of another length fails for good', async () => {
    provider.answer = gives([1, 2]);
    const error = await failureOf(embedderOf().embed(IMAGE, never));
    expect(error).toMatchObject({ kind: 'permanent' });
    expect(error.message).toContain('gave 2 numbers where 3');
  });

  it('by an answer without vectors fails for good', async () => {
    provider.answer = () => ({ body: { object: 'list', data: [] } });
    expect((await failureOf(embedderOf().embed(IMAGE, never))).kind).toBe('permanent');
  });

  it('rejects with the worker’s own reason when the worker stops', async () => {
    provider.answer = () => ({ hangs: true });
    const controller = new AbortController();
    const work = embedderOf().embed(IMAGE, controller.signal);
    setTimeout(() => controller.abort(new Error('stopping')), 20);
    await expect(work).rejects.toThrow('stopping');
  });
});

it('names every option that does not fit', () => {
  const options = { apiKey: 'k', baseURL: 'nowhere', model: 'm', dimension: 3 } as never;
  expect(() => createOpenAiEmbedder(options)).toThrow(OptionsError);
  expect(() => createOpenAiEmbedder(options)).toThrow(/baseURL/);
  expect(() => createOpenAiEmbedder(options)).toThrow(/dimension/);
});
