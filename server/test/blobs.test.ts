import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROBLEMS, problemSchema } from 'bulkhead/protocol';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attachment } from '../src/blobs/content-disposition.ts';
import { createFileSystemStore, type FileSystemStore } from '../src/blobs/file-system-store.ts';
import { isKey, originalKey } from '../src/blobs/keys.ts';
import { type Listening, listen } from '../src/node-server.ts';
import { describeBlobStore } from './fixtures/describe-blob-store.ts';
import { describeObjects } from './fixtures/describe-objects.ts';
import { memoryBlobStore } from './fixtures/memory-blob-store.ts';
import { filesIn, SECRET, sha256 } from './fixtures/test-server.ts';

async function startStore(allowedOrigins: '*' | string[] = '*', isNode = true) {
  const dir = await mkdtemp(join(tmpdir(), 'bulkhead-blobs-'));
  let offsetMs = 0;
  let listening: Listening | undefined;
  const store = await createFileSystemStore({
    dir,
    publicUrl: () => listening?.storeUrl ?? '',
    secret: SECRET,
    clock: () => Date.now() + offsetMs,
    allowedOrigins,
  });
  const fetchStore = isNode ? store.fetch : (request: Request) => store.fetch(request);
  listening = await listen({ api: fetchStore, store: fetchStore });
  return {
    store,
    dir,
    url: listening.storeUrl,
    advance: (ms: number) => {
      offsetMs += ms;
    },
    expirePermits: () => {
      offsetMs += 301_000;
    },
    inThePast: async <T>(work: () => Promise<T>) => {
      const nowMs = offsetMs;
      offsetMs -= 301_000;
      try {
        return await work();
      } finally {
        offsetMs = nowMs;
      }
    },
    list: () => filesIn(dir),
    close: async () => {
      await listening?.close(100);
      await rm(dir, { recursive: true });
    },
  };
}

const CAN_ALL = {
  createOnly: true,
  verifiesUploads: true,
  reportsChecksums: true,
  expiringReads: true,
  namesDownloads: true,
  isLocal: true,
};
describeBlobStore('file system', CAN_ALL, () => startStore());
describeObjects('memory', async () => ({ store: memoryBlobStore(), close: async () => {} }));

describe.each([
  ['node:http', true],
  ['web requests', false],
])('file system store over %s', (_, isNode) => {
  let subject: Awaited<ReturnType<typeof startStore>>;
  let store: FileSystemStore;
  beforeAll(async () => {
    subject = await startStore(['http://page.test'], isNode);
    store = subject.store;
  });
  afterAll(() => subject.close());

  const newKey = () => originalKey('someone', randomUUID(), Date.now());
  const permit = (bytes: Uint8Array, key = newKey()) =>
    store.signPut({
      key,
      sizeBytes: bytes.length,
      checksum: sha256(bytes),
      contentType: 'image/png',
      expiresInSeconds: 300,
    });
  const bytesOf = (length: number) => new Uint8Array(length).fill(7);
  const expectProblem = async (response: Response, code: keyof typeof PROBLEMS) => {
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    const problem = problemSchema.parse(await response.json());
    expect(problem).toMatchObject({ code, status: PROBLEMS[code].status });
    expect(response.status).toBe(PROBLEMS[code].status);
  };
  /** A PUT whose body is sent by hand; resolves with the answer, or the error's code. */
  const rawPut = (
    url: string,
    headers: Record<string, string | number>,
    send: (write: ReturnType<typeof httpRequest>) => void,
  ) =>
    new Promise<{ status: number; body: string } | string>((resolve) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const request = httpRequest(url, { method: 'PUT', headers, agent });
      request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      request.on('response', (response: IncomingMessage) => {
        let body = '';
        response.on('data', (chunk) => {
          body += chunk;
        });
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, body });
          agent.destroy();
        });
      });
      send(request);
    });

  test('answers a created object with its checksum as ETag', async () => {
    const bytes = bytesOf(10);
    const { url, method, headers } = await permit(bytes);
    const response = await fetch(url, { method, headers, body: bytes });
    expect(response.status).toBe(201);
    expect(response.headers.get('etag')).toBe(`"${sha256(bytes)}"`);
  });

  test('tells every kind of refusal apart', async () => {
    const bytes = bytesOf(100);
    const { url, headers } = await permit(bytes);
    const put = (target: string, body: Uint8Array<ArrayBuffer>, more = {}) =>
      fetch(target, { method: 'PUT', headers: { ...headers, ...more }, body });
    await expectProblem(await put(url, bytesOf(99)), 'size_mismatch');
    await expectProblem(await put(url, bytesOf(101)), 'size_mismatch');
    await expectProblem(await put(url, bytesOf(100).fill(8)), 'checksum_mismatch');
    await expectProblem(await put(url, bytes, { 'Content-Type': 'text/html' }), 'url_invalid');
    await put(url, bytes);
    await expectProblem(await put(url, bytes), 'already_exists');
    await expectProblem(await fetch(url, { method: 'DELETE' }), 'method_not_allowed');
    await expectProblem(await fetch(`${subject.url}/etc/passwd`), 'not_found');
    subject.expirePermits();
    await expectProblem(await put(url, bytes), 'url_expired');
  });

  test('refuses a URL of which anything was altered', async () => {
    const bytes = bytesOf(50);
    const { url, headers } = await permit(bytes);
    const alterations: [string, string][] = [
      ['e', '9999999999'],
      ['s', '51'],
      ['c', sha256(bytesOf(51))],
      ['t', 'text/html'],
      ['sig', 'AAAA'],
      ['more', '1'],
    ];
    for (const [name, value] of alterations) {
      const altered = new URL(url);
      altered.searchParams.set(name, value);
      await expectProblem(
        await fetch(altered, { method: 'PUT', headers, body: bytes }),
        'url_invalid',
      );
      altered.searchParams.delete(name);
      if (name !== 'more') {
        await expectProblem(
          await fetch(altered, { method: 'PUT', headers, body: bytes }),
          'url_invalid',
        );
      }
    }
    // A permit to write does not permit reading.
    await expectProblem(await fetch(url), 'url_invalid');
  });

  test('a body without a length is cut off as soon as it is longer than promised', async () => {
    const { url, headers } = await permit(bytesOf(1000));
    const before = await subject.list();
    let chunksSent = 0;
    const answer = await rawPut(url, headers, (request) => {
      const send = () => {
        if (request.destroyed || chunksSent >= 200) return request.end();
        chunksSent++;
        request.write(bytesOf(64 * 1024), () => setImmediate(send));
      };
      request.on('response', () => {
        chunksSent = 1000;
      });
      send();
    });
    expect(answer).toMatchObject({ status: 400, body: expect.stringContaining('size_mismatch') });
    expect(await subject.list()).toEqual(before);
  });

  test('a body without a length that ends short is refused', async () => {
    const { url, headers } = await permit(bytesOf(1000));
    const answer = await rawPut(url, headers, (request) => {
      request.write(bytesOf(999));
      request.end();
    });
    expect(answer).toMatchObject({ status: 400, body: expect.stringContaining('size_mismatch') });
  });

  test('a large body without a length is stored', async () => {
    const bytes = bytesOf(5 * 1024 * 1024 + 17);
    const { url, headers } = await permit(bytes);
    const answer = await rawPut(url, headers, (request) => {
      request.write(bytes.subarray(0, 3_000_001));
      request.end(bytes.subarray(3_000_001));
    });
    expect(answer).toMatchObject({ status: 201 });
  });

  test.each([100_000, 4_000_000])(
    'a client that goes away in the middle of %d bytes leaves nothing',
    async (size) => {
      const bytes = bytesOf(size);
      const key = newKey();
      const { url, headers } = await permit(bytes, key);
      const before = await subject.list();
      await rawPut(url, { ...headers, 'Content-Length': size }, (request) => {
        request.write(bytes.subarray(0, size / 2), () => setTimeout(() => request.destroy(), 50));
      });
      await expect.poll(() => subject.list()).toEqual(before);
      expect(await store.head(key)).toBeUndefined();
      const response = await fetch(url, { method: 'PUT', headers, body: bytes });
      expect(response.status).toBe(201);
    },
  );

  test('a sender of a large refused body receives the refusal, and the connection goes on', async () => {
    const bytes = bytesOf(20 * 1024 * 1024);
    const { url, headers } = await permit(bytes);
    subject.expirePermits();
    const answer = await rawPut(
      url,
      { ...headers, 'Content-Length': bytes.length },
      (request) => void request.end(bytes),
    );
    expect(answer).toMatchObject({ status: 403, body: expect.stringContaining('url_expired') });
  });

  test('a slow sender of a refused body has its answer before it has sent everything', async () => {
    const { url, headers } = await permit(bytesOf(1000));
    subject.expirePermits();
    let hasEnded = false;
    const answer = await rawPut(url, { ...headers, 'Content-Length': 1000 }, (request) => {
      request.write(bytesOf(500));
      request.on('response', async () => {
        await sleep(700);
        request.end(bytesOf(500));
        hasEnded = true;
      });
    });
    expect(answer).toMatchObject({ status: 403 });
    expect(hasEnded).toBe(false);
  });

  test('pages of the allowed origin can read every answer, refusals too', async () => {
    const bytes = bytesOf(10);
    const { url, headers } = await permit(bytes);
    const preflight = await fetch(url, {
      method: 'OPTIONS',
      headers: { origin: 'http://page.test', 'access-control-request-method': 'PUT' },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe('http://page.test');
    expect(preflight.headers.get('access-control-allow-headers')).toContain('content-type');
    expect(preflight.headers.get('access-control-max-age')).toBe('7200');
    const refused = await fetch(url, {
      method: 'PUT',
      headers: { ...headers, origin: 'http://page.test' },
      body: bytesOf(11),
    });
    expect(refused.headers.get('access-control-allow-origin')).toBe('http://page.test');
    expect(refused.headers.get('access-control-expose-headers')).toBe('ETag, Retry-After');
    const foreign = await fetch(url, {
      method: 'PUT',
      headers: { ...headers, origin: 'http://evil.test' },
      body: bytes,
    });
    expect(foreign.headers.get('access-control-allow-origin')).toBeNull();
    expect(foreign.headers.get('vary')).toBe('Origin');
  });

  test('what users sent is served so that no browser renders it as a page', async () => {
    const html = new TextEncoder().encode('<script>alert(1)</script>');
    const { url, headers } = await permit(html);
    await fetch(url, { method: 'PUT', headers, body: html });
    const key = new URL(url).pathname.slice(1);
    const readUrl = await store.signGet({
      key,
      expiresInSeconds: 60,
      contentType: 'image/png',
      downloadName: 'x.png',
    });
    const response = await fetch(readUrl);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'image/png',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; default-src 'none'",
      'cross-origin-resource-policy': 'cross-origin',
      'referrer-policy': 'no-referrer',
      'content-disposition': expect.stringMatching(/^attachment;/),
      'cache-control': expect.stringMatching(/^private, max-age=\d+, immutable$/),
      etag: `"${sha256(html)}"`,
    });
    const head = await fetch(readUrl, { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe(String(html.length));
    const cached = await fetch(readUrl, { headers: { 'if-none-match': `"${sha256(html)}"` } });
    expect(cached.status).toBe(304);
    subject.advance(121_000);
    await expectProblem(await fetch(readUrl), 'url_expired');
  });

  test('an object larger than memory is streamed out whole', async () => {
    const bytes = bytesOf(3 * 1024 * 1024 + 5);
    const { url, headers } = await permit(bytes);
    await fetch(url, { method: 'PUT', headers, body: bytes });
    const key = new URL(url).pathname.slice(1);
    const response = await fetch(
      await store.signGet({ key, expiresInSeconds: 60, contentType: 'image/png' }),
    );
    expect(sha256(new Uint8Array(await response.arrayBuffer()))).toBe(sha256(bytes));
  });

  test('no URL leaves the directory', async () => {
    for (const path of ['/../../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd', '/u/..%2f..', '//etc']) {
      const response = await fetch(`${subject.url}${path}`);
      await expectProblem(response, 'not_found');
    }
    await expect(store.head('../../etc/passwd')).rejects.toThrow('Not a key');
  });
});

test('removes what a crash left half written, and nothing else', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'bulkhead-crash-'));
  await mkdir(join(dir, 'tmp'));
  // 2^22 is above every pid Linux gives.
  await writeFile(join(dir, 'tmp', '4194305-half'), 'half');
  await writeFile(join(dir, 'tmp', `${process.ppid}-live`), 'being written by another process');
  const options = { dir, publicUrl: 'http://store.test', secret: SECRET };
  const store = await createFileSystemStore(options);
  expect(await readdir(join(dir, 'tmp'))).toEqual([`${process.ppid}-live`]);
  const key = originalKey('someone', randomUUID(), Date.now());
  await store.write(key, new Uint8Array(3), 'image/png');
  expect(await (await createFileSystemStore(options)).head(key)).toMatchObject({ sizeBytes: 3 });
  await rm(dir, { recursive: true });
});

test('a secret that is too short is refused', async () => {
  const options = { dir: '/nowhere', publicUrl: 'http://store.test', secret: 'short' };
  await expect(createFileSystemStore(options)).rejects.toThrow('at least 32 bytes');
});

test('whatever the user id, a key has nothing of it but a digest', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.uuid(), (userId, assetId) => {
      const key = originalKey(userId, assetId, Date.UTC(2026, 5));
      expect(key).toMatch(/^u\/[0-9a-f]{32}\/2026\/[0-9a-f-]{36}$/);
      expect(isKey(key)).toBe(true);
    }),
  );
});

test('whatever the name, the header is one line of printable ASCII', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      expect(attachment(name)).toMatch(/^attachment; filename="[^"\\]*"; filename\*=UTF-8''\S*$/);
      expect(attachment(name)).toMatch(/^[\x20-\x7e]*$/);
    }),
  );
});
