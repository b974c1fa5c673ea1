import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  assetChangesResponseSchema,
  problemSchema,
  retryResponseSchema,
  statsResponseSchema,
} from '../../src/protocol/index.ts';
import {
  createFaultServer,
  type FaultRule,
  type FaultServer,
  type FaultServerOptions,
} from '../../src/testing/index.ts';
import { WireClient, wireFile } from '../support/wire-client.ts';

let server: FaultServer;
let client: WireClient;

async function start(options: FaultServerOptions = {}): Promise<void> {
  await server?.close();
  server = await createFaultServer(options);
  client = new WireClient(server.url);
}

beforeEach(() => start({ processing: { processMs: 1, embedMs: 1 } }));
afterEach(() => server.close());

async function problemOf(response: Response): Promise<[number, string]> {
  const problem = problemSchema.parse(await response.json());
  return [response.status, problem.code];
}

describe('the fault server', () => {
  it('takes a file from its credential to the library, as the wire says', async () => {
    const file = wireFile();
    const id = await client.upload(file);
    await vi.waitFor(() => expect(server.assets.get(id)?.stage).toBe('searchable'), 10_000);
    const changes = await client.post('/api/assets/changes', { ids: [id, crypto.randomUUID()] });
    const answer = assetChangesResponseSchema.parse(await changes.json());
    expect(answer.changes).toMatchObject([{ id, stage: 'searchable', error: null }]);
    const stats = await fetch(`${server.url}/api/processing-stats`);
    expect(statsResponseSchema.parse(await stats.json()).stats).toEqual({
      total: 1,
      uploaded: 1,
      processed: 1,
      embedded: 1,
      failed: 0,
    });
    expect([...server.objects.values()]).toMatchObject([{ checksum: file.checksum, body: null }]);
  });

  it('gives the same asset for the same client id, and refuses it for another file', async () => {
    const file = wireFile();
    const first = await client.credential(file);
    expect((await client.credential(file)).assetId).toBe(first.assetId);
    const [conflict] = await client.credentials({ ...wireFile(), clientId: file.clientId });
    expect(conflict).toMatchObject({ error: { code: 'client_id_conflict' } });
  });

  it('tells what became of uploads: finalized, stored or unknown', async () => {
    const [missing, stored, finalized] = [wireFile(), wireFile(), wireFile()];
    const credential = await client.credential(stored);
    await client.put(credential, stored.body);
    const id = await client.upload(finalized);
    const twin = { ...finalized, clientId: 'another' };
    expect(await client.reconcile(finalized, missing, stored, twin)).toMatchObject([
      { status: 'finalized', asset: { id, isDuplicate: false } },
      { status: 'unknown' },
      { status: 'uploaded', assetId: credential.assetId },
      { status: 'finalized', asset: { id, isDuplicate: true } },
    ]);
    const empty = await client.post('/api/uploads/reconcile', { files: [] });
    expect(await problemOf(empty)).toEqual([400, 'invalid_request']);
  });

  it('leaves a second copy to finalize, which removes it', async () => {
    const first = wireFile();
    const twin = { ...first, clientId: 'another' };
    const credential = await client.credential(twin);
    await client.put(credential, twin.body);
    const id = await client.upload(first);
    const { assetId } = credential;
    expect(await client.reconcile(twin)).toMatchObject([{ status: 'uploaded', assetId }]);
    expect(await client.finalize(assetId)).toMatchObject([{ asset: { id, isDuplicate: true } }]);
    const asset = { id, isDuplicate: true };
    expect(await client.reconcile(twin)).toMatchObject([{ status: 'finalized', asset }]);
    expect(server.objects.size).toBe(1);
  });

  it('refuses what does not fit the schemas, empty files and large ones', async () => {
    const answer = await client.post('/api/upload-urls', { files: [] });
    expect(await problemOf(answer)).toEqual([400, 'invalid_request']);
    await start({ maxFileBytes: 10 });
    const results = await client.credentials(wireFile('a.jpg', 0), wireFile('b.jpg', 11));
    expect(results).toMatchObject([
      { error: { code: 'empty_file' } },
      { error: { code: 'file_too_large' } },
    ]);
  });

  it('fails in processing as it is told, and succeeds when asked again', async () => {
    server.process({
      processMs: 1,
      embedMs: 1,
      failures: [{ filename: 'bad*', code: 'processing_failed', times: 1 }],
    });
    const id = await client.upload(wireFile('bad.jpg'));
    await vi.waitFor(() => expect(server.assets.get(id)?.stage).toBe('failed'), 10_000);
    expect(server.assets.get(id)?.error?.code).toBe('processing_failed');
    const retried = await client.post(`/api/assets/${id}/retry-processing`, {});
    expect(retryResponseSchema.parse(await retried.json()).asset.id).toBe(id);
    await vi.waitFor(() => expect(server.assets.get(id)?.stage).toBe('searchable'), 10_000);
    expect(server.assets.get(id)?.runs).toBe(2);
  });

  it('is as it was created after a reset', async () => {
    await client.upload(wireFile());
    server.plan([{ do: 'reset' }]);
    server.down('put');
    server.behave({ latencyMs: 60_000 });
    server.reset();
    expect(server.requests).toEqual([]);
    expect([server.objects.size, server.assets.size]).toEqual([0, 0]);
    await client.upload(wireFile());
  });

  it('names the option that is wrong', async () => {
    const wrong = { behaviour: { latency: 5 } } as FaultServerOptions;
    await expect(createFaultServer(wrong)).rejects.toThrow('createFaultServer.behaviour.latency');
  });
});

describe('its store', () => {
  it('verifies size and checksum, and creates an object once', async () => {
    const file = wireFile();
    const credential = await client.credential(file);
    const other = Buffer.alloc(file.size, 'x');
    expect(await problemOf(await client.put(credential, other))).toEqual([
      400,
      'checksum_mismatch',
    ]);
    const short = await client.put(credential, file.body.subarray(1));
    expect(await problemOf(short)).toEqual([400, 'size_mismatch']);
    expect((await client.put(credential, file.body)).status).toBe(200);
    const again = await client.put(credential, file.body);
    expect(await problemOf(again)).toEqual([412, 'already_exists']);
    expect(server.state().putCounts).toEqual({ [credential.pathname]: 4 });
  });

  it('refuses URLs that were altered or have expired', async () => {
    const file = wireFile();
    const credential = await client.credential(file);
    const altered = { ...credential, uploadUrl: credential.uploadUrl.replace(/.$/, '!') };
    expect(await problemOf(await client.put(altered, file.body))).toEqual([403, 'url_invalid']);
    const headers = { 'content-type': 'text/html' };
    const retyped = await client.put({ ...credential, headers }, file.body);
    expect(await problemOf(retyped)).toEqual([403, 'url_invalid']);
    server.advance(credential.expiresInMs);
    expect(await problemOf(await client.put(credential, file.body))).toEqual([403, 'url_expired']);
  });

  it('shows what is stored to HEAD and GET, with the bytes when it keeps them', async () => {
    await start({ keepsBodies: true });
    const file = wireFile();
    const credential = await client.credential(file);
    await client.put(credential, file.body);
    const url = `${server.storeUrl}/${credential.pathname}`;
    const head = await fetch(url, { method: 'HEAD' });
    expect(head.headers.get('x-checksum-sha256')).toBe(file.checksum);
    expect(Buffer.from(await (await fetch(url)).arrayBuffer()).equals(file.body)).toBe(true);
    expect((await fetch(`${url}x`, { method: 'HEAD' })).status).toBe(404);
  });

  it('can take a while until HEAD and finalize see an object', async () => {
    server.behave({ invisibleLooks: 2 });
    const file = wireFile();
    const { assetId, ...credential } = await client.credential(file);
    await client.put({ assetId, ...credential }, file.body);
    const head = await fetch(`${server.storeUrl}/${credential.pathname}`, { method: 'HEAD' });
    expect(head.status).toBe(404);
    expect(await client.finalize(assetId)).toMatchObject([{ error: { code: 'not_uploaded' } }]);
    expect(await client.finalize(assetId)).toMatchObject([{ success: true }]);
  });

  it('takes unsigned PUTs when it stands alone, and checks the checksum they name', async () => {
    await start({ api: false, createOnly: 'if-none-match' });
    const file = wireFile();
    const put = (headers: Record<string, string>) =>
      fetch(`${server.storeUrl}/any/key`, {
        method: 'PUT',
        headers,
        body: new Uint8Array(file.body),
      });
    const base64 = Buffer.from(file.checksum, 'hex').toString('base64');
    expect((await put({ 'x-amz-checksum-sha256': base64 })).status).toBe(200);
    expect((await put({ 'x-checksum-sha256': '0'.repeat(64) })).status).toBe(400);
    expect((await put({})).status).toBe(200);
    expect((await put({ 'if-none-match': '*' })).status).toBe(412);
    const api = await client.post('/api/upload-urls', { files: [] });
    expect(await problemOf(api)).toEqual([404, 'not_found']);
  });

  it('deletes the second object of the same bytes', async () => {
    const [first, second] = [wireFile(), wireFile()];
    const twin = { ...first, clientId: second.clientId };
    const credentials = [await client.credential(first), await client.credential(twin)];
    for (const credential of credentials) await client.put(credential, first.body);
    const ids = credentials.map(({ assetId }) => assetId);
    const results = await client.finalize(...ids);
    expect(results).toMatchObject([
      { asset: { isDuplicate: false } },
      { asset: { id: ids[0], isDuplicate: true } },
    ]);
    expect(server.objects.size).toBe(1);
  });
});

describe('its faults', () => {
  async function putWith(rule: FaultRule, sizeBytes = 200_000) {
    const file = wireFile('photo.jpg', sizeBytes);
    const credential = await client.credential(file);
    server.plan([{ match: { route: 'put' }, ...rule }]);
    return client.put(credential, file.body);
  }

  it.each(['headers', 'body:1000', 'after-body'] as const)(
    'cut the connection at %s, and nothing is stored',
    async (at) => {
      await expect(putWith({ at, do: 'reset' })).rejects.toThrow();
      expect(server.objects.size).toBe(0);
      const [put] = server.requests.filter(({ route }) => route === 'put');
      expect(put).toMatchObject({ status: null, faults: [`reset at ${at}`] });
    },
  );

  it('cut the connection after the object was stored', async () => {
    await expect(putWith({ at: 'after-commit', do: 'close' })).rejects.toThrow();
    expect(server.objects.size).toBe(1);
  });

  it('answer with any status, headers and code', async () => {
    const answer = await putWith({
      do: { status: 503, code: 'unavailable', headers: { 'Retry-After': '7' } },
    });
    expect(answer.headers.get('retry-after')).toBe('7');
    expect(await problemOf(answer)).toEqual([503, 'unavailable']);
    expect(server.requests.at(-1)).toMatchObject({ status: 503, retryAfterMs: 7_000 });
  });

  it('answer like a captive portal', async () => {
    const answer = await putWith({ do: 'captive-portal' });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      200,
      'text/html; charset=utf-8',
    ]);
    expect(server.objects.size).toBe(0);
  });

  it('hang until the server is reset', async () => {
    const hanging = putWith({ at: 'after-body', do: 'hang' });
    await vi.waitFor(
      () => expect(server.requests.at(-1)?.faults).toEqual(['hang at after-body']),
      10_000,
    );
    server.reset();
    await expect(hanging).rejects.toThrow();
  });

  it('slow a body down', async () => {
    const startedMs = performance.now();
    await putWith({ do: { trickleBytesPerSecond: 1_000_000 } });
    expect(performance.now() - startedMs).toBeGreaterThan(150);
  });

  it('delay, then go on to the next rule', async () => {
    const file = wireFile();
    const credential = await client.credential(file);
    server.plan([{ do: { delayMs: 50 } }, { do: { status: 418 } }]);
    const startedMs = performance.now();
    expect((await client.put(credential, file.body)).status).toBe(418);
    expect(performance.now() - startedMs).toBeGreaterThan(45);
  });

  it('fail single files of a batch', async () => {
    server.plan([
      { match: { route: 'credentials', filename: 'b.jpg' }, do: { fileProblem: 'invalid_name' } },
    ]);
    const results = await client.credentials(wireFile('a.jpg'), wireFile('b.jpg'));
    expect(results).toMatchObject([{ status: 'granted' }, { error: { code: 'invalid_name' } }]);
  });

  it('meet the uploads that are reconciled by their names', async () => {
    const [known, other] = [wireFile('a.jpg'), wireFile('b.jpg')];
    await client.credentials(known, other);
    server.plan([{ match: { route: 'reconcile', filename: 'a.jpg' }, do: { status: 503 } }]);
    await expect(client.reconcile(other, known)).rejects.toThrow();
    expect(await client.reconcile(other)).toMatchObject([{ status: 'unknown' }]);
    const reconciles = server.requests.filter(({ route }) => route === 'reconcile');
    expect(reconciles).toMatchObject([
      { status: 503, filenames: ['b.jpg', 'a.jpg'], faults: ['status at headers'] },
      { status: 200, filenames: ['b.jpg'], faults: [] },
    ]);
  });

  it('last as long as an outage', async () => {
    server.down('credentials');
    await expect(client.credential(wireFile())).rejects.toThrow('fetch failed');
    server.up();
    await client.credential(wireFile());
    server.down(undefined, { status: 503 });
    expect((await fetch(`${server.url}/api/processing-stats`)).status).toBe(503);
  });
});

describe('its rate limit', () => {
  const NOW_MS = Date.parse('2026-03-01T12:00:00.400Z');

  async function refusal(behaviour: FaultServerOptions['behaviour']): Promise<Response> {
    await start({ clock: () => NOW_MS, behaviour });
    await fetch(`${server.url}/api/processing-stats`);
    return fetch(`${server.url}/api/processing-stats`);
  }
  const limit = { requestsPerSecond: 0.5, burst: 1, routes: 'stats' } as const;

  it('refuses what exceeds the bucket and says in seconds when to come again', async () => {
    const answer = await refusal({ rateLimit: limit });
    expect(answer.headers.get('retry-after')).toBe('2');
    expect(await problemOf(answer)).toEqual([429, 'rate_limited']);
    server.advance(2_000);
    expect((await fetch(`${server.url}/api/processing-stats`)).status).toBe(200);
  });

  it('says it as a date by its own clock, however wrong that is', async () => {
    const answer = await refusal({
      clockSkewMs: -3 * 3_600_000,
      rateLimit: { ...limit, retryAfter: 'date', status: 503 },
    });
    expect(answer.status).toBe(503);
    expect(answer.headers.get('date')).toBe('Sun, 01 Mar 2026 09:00:00 GMT');
    expect(answer.headers.get('retry-after')).toBe('Sun, 01 Mar 2026 09:00:03 GMT');
  });

  it('can keep to itself when to come again', async () => {
    const answer = await refusal({ rateLimit: { ...limit, retryAfter: 'none' } });
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, null]);
  });
});

describe('its CORS', () => {
  const page = { origin: 'http://page.test' };

  it('lets any page write and read what it may', async () => {
    const preflight = await fetch(`${server.storeUrl}/key`, {
      method: 'OPTIONS',
      headers: { ...page, 'access-control-request-headers': 'content-type' },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-methods')).toContain('PUT');
    expect(preflight.headers.get('access-control-allow-headers')).toBe('content-type');
    const answer = await fetch(`${server.url}/api/processing-stats`, { headers: page });
    expect(answer.headers.get('access-control-allow-origin')).toBe(page.origin);
    expect(answer.headers.get('access-control-expose-headers')).toBe('Retry-After, Date');
  });

  it('can lack, for all or for single answers, and can hide the ETag', async () => {
    const exposed = async () => {
      const { headers } = await fetch(`${server.storeUrl}/key`, { headers: page });
      return headers.get('access-control-expose-headers');
    };
    expect(await exposed()).toContain('ETag');
    server.behave({ exposesEtag: false });
    expect(await exposed()).not.toContain('ETag');
    server.plan([{ match: { route: 'get' }, do: 'no-cors', times: 1 }]);
    expect(await exposed()).toBeNull();
    expect(await exposed()).not.toBeNull();
    server.behave({ hasCors: false });
    expect(await exposed()).toBeNull();
  });
});

describe('its records', () => {
  it('tell what came, how much of it, and what became of it', async () => {
    const file = wireFile('photo.jpg', 5_000);
    await client.upload(file);
    const seen = server.requests.map(({ route, status, filenames }) => [route, status, filenames]);
    expect(seen).toEqual([
      ['credentials', 200, ['photo.jpg']],
      ['put', 200, ['photo.jpg']],
      ['finalize', 200, ['photo.jpg']],
    ]);
    expect(server.requests[1]).toMatchObject({ receivedBytes: 5_000, concurrency: 1 });
    expect(JSON.stringify(server.requests)).not.toContain('signature');
  });

  it('tell how many of a route were under way at once', async () => {
    server.behave({ latencyMs: 30 });
    await Promise.all([1, 2, 3].map(() => client.credential(wireFile())));
    const counts = server.requests.map(({ concurrency }) => concurrency);
    expect(counts).toEqual([1, 2, 3]);
  });
});
