import { createHmac, randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  createPredictions,
  createReplicateEmbedder,
  createReplicateWebhook,
} from '../src/embeddings/replicate.ts';
import { type FakeProvider, startFakeProvider } from './fixtures/fake-provider.ts';
import { startTestServer, type TestServer } from './fixtures/test-server.ts';

const KEY = Buffer.from('a key of the account, for signatures');
const SECRET = `whsec_${KEY.toString('base64')}`;

let app: TestServer;
let provider: FakeProvider;
beforeAll(async () => {
  // The route and the worker each have their own: they are different processes in production.
  app = await startTestServer({
    webhooks: {
      replicate: (request) =>
        createReplicateWebhook({ secret: SECRET, predictions: createPredictions(app.database) })(
          request,
        ),
    },
  });
});
afterAll(() => app?.close());
beforeEach(async () => {
  provider = await startFakeProvider();
});
afterEach(() => provider.close());

interface Signed {
  id?: string;
  atSeconds?: number;
  key?: Buffer;
}

/** As Replicate signs it: HMAC-SHA256 of id, time and body. */
function send(body: unknown, { id = randomUUID(), atSeconds, key = KEY }: Signed = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const timestamp = String(atSeconds ?? Math.floor(Date.now() / 1000));
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${text}`).digest('base64');
  return fetch(`${app.apiUrl}/api/webhooks/replicate`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,${signature}`,
    },
    body: text,
  });
}

async function pending(): Promise<string> {
  const id = `p-${randomUUID()}`;
  await createPredictions(app.database).expect(id);
  return id;
}

describe('the webhook of Replicate', () => {
  test('ends the wait of an embedder, which asks for the result itself', async () => {
    const id = `p-${randomUUID()}`;
    let hasEnded = false;
    provider.answer = ({ method }) => ({
      body: {
        ...{ id, urls: {} },
        ...(method === 'GET' && hasEnded
          ? { status: 'succeeded', output: [3, 4] }
          : { status: 'starting' }),
      },
    });
    const embedder = createReplicateEmbedder({
      ...{ token: 't', model: 'owner/clip', dimensions: 2, baseUrl: provider.url },
      webhook: {
        url: 'https://app.example/api/webhooks/replicate',
        predictions: createPredictions(app.database),
      },
    });
    const embedding = embedder.embed(Uint8Array.of(1), new AbortController().signal);
    await expect.poll(() => provider.requests.length).toBe(1);
    expect(provider.requests[0]?.body).toMatchObject({
      webhook: 'https://app.example/api/webhooks/replicate',
      webhook_events_filter: ['completed'],
    });
    await expect
      .poll(() => app.database.db.selectFrom('embedding_predictions').select('id').execute())
      .toContainEqual({ id });
    hasEnded = true;
    // What the body says of the output is not believed.
    await expect
      .poll(async () => (await send({ id, status: 'succeeded', output: [9, 9] })).status)
      .toBe(200);
    expect([...(await embedding)]).toEqual([3, 4]);
    expect(provider.requests).toHaveLength(2);
  });

  test('refuses what is not signed, or signed with another key', async () => {
    const id = await pending();
    expect((await send({ id }, { key: Buffer.from('another key') })).status).toBe(401);
    const unsigned = await fetch(`${app.apiUrl}/api/webhooks/replicate`, {
      method: 'POST',
      body: JSON.stringify({ id }),
    });
    expect(unsigned.status).toBe(401);
    expect((await unsigned.json()).detail).toContain('not signed');
    expect((await send({ id })).status).toBe(200);
  });

  test('refuses a body that was changed after it was signed', async () => {
    const id = await pending();
    const timestamp = String(Math.floor(Date.now() / 1000));
    const signature = createHmac('sha256', KEY)
      .update(`m.${timestamp}.${JSON.stringify({ id: 'other' })}`)
      .digest('base64');
    const response = await fetch(`${app.apiUrl}/api/webhooks/replicate`, {
      method: 'POST',
      headers: {
        'webhook-id': 'm',
        'webhook-timestamp': timestamp,
        'webhook-signature': `v1,${signature}`,
      },
      body: JSON.stringify({ id }),
    });
    expect(response.status).toBe(401);
  });

  test('refuses a replay: at once, and after five minutes', async () => {
    const id = await pending();
    const signed = { id: randomUUID() };
    expect((await send({ id }, signed)).status).toBe(200);
    expect((await send({ id }, signed)).status).toBe(404);
    const other = await pending();
    const nowSeconds = Math.floor(Date.now() / 1000);
    for (const atSeconds of [nowSeconds - 400, nowSeconds + 400]) {
      expect((await send({ id: other }, { atSeconds })).status).toBe(401);
    }
  });

  test('refuses predictions that nobody asked for, and bodies that name none', async () => {
    expect((await send({ id: 'p-unknown' })).status).toBe(404);
    expect((await send({ other: 1 })).status).toBe(400);
    expect((await send('not json')).status).toBe(400);
    expect((await send({ id: 'p', filler: 'x'.repeat(3_000_000) })).status).toBe(413);
  });

  test('is there by POST only, and only where it was given', async () => {
    expect((await fetch(`${app.apiUrl}/api/webhooks/replicate`)).status).toBe(405);
    expect((await fetch(`${app.apiUrl}/api/webhooks/other`, { method: 'POST' })).status).toBe(404);
  });
});
