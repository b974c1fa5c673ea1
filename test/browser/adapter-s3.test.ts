import { describe, expect, inject, it } from 'vitest';
import { UploadError } from '../../src/errors/upload-error.ts';
import { describeUploadAdapter } from '../../src/testing/client.ts';
import {
  type OpenMultipart,
  type PresignedPut,
  s3PresignedAdapter,
  s3TemporaryCredentialsAdapter,
  type TemporaryCredentials,
} from '../../src/transports/s3.ts';
import { openLab } from '../support/lab-client.ts';

const lab = await openLab(inject('labUrl'), 's3');
const MIB = 1024 * 1024;
const { signal } = new AbortController();
const keyOf = ({ id, name }: { id: string; name: string }) => `up loads/${id}/${name}`;
const backend = async () => lab.asBackend(({ credential }) => credential.pathname);

type PresignedOptions = Parameters<typeof s3PresignedAdapter>[0];
type TemporaryOptions = Parameters<typeof s3TemporaryCredentialsAdapter>[0];

const presigned: PresignedOptions = {
  sign: (files) =>
    lab.call<PresignedPut[]>(
      'sign',
      files.map((file) => ({ ...file, key: keyOf(file) })),
    ),
  createMultipart: (file, key) => lab.call('create', { ...file, key }),
  signParts: (open, parts) => lab.call('signParts', { open, parts }),
  listParts: async (open, after) => (await lab.call('list', { open, after })) ?? undefined,
  completeMultipart: (open, parts) => lab.call('complete', { open, parts }),
  abortMultipart: (open) => lab.call('abort', open),
  async head(items) {
    const sizes = await lab.call<(number | null)[]>('head', items.map(keyOf));
    return sizes.map((size, at) => size === items[at]?.sizeBytes);
  },
  verifiesChecksums: true,
};

const temporary: TemporaryOptions = {
  credentials: () => lab.call('keys', { lifetimeMs: 3_600_000 }),
  ...{ bucket: lab.facts.bucket ?? '', region: lab.facts.region ?? '', endpoint: lab.url },
  key: keyOf,
  // Swift knows no create-only PUT.
  createOnly: lab.facts.isSwift !== 'true',
};

describeUploadAdapter(
  'S3 by presigned URLs',
  {
    // One part after the other: what is stored when it is interrupted is certain.
    create: () => s3PresignedAdapter({ ...presigned, maxConcurrency: 1 }),
    backend,
    capabilities: { checksum: true, multipart: true, head: true },
  },
  { describe, it },
);

describeUploadAdapter(
  'S3 with temporary credentials',
  {
    create: () => s3TemporaryCredentialsAdapter({ ...temporary, maxConcurrency: 1 }),
    backend,
    capabilities: {
      ...{ checksum: true, multipart: true, head: true },
      createOnly: lab.facts.isSwift !== 'true',
    },
  },
  { describe, it },
);

async function fileOf(sizeBytes: number) {
  const bytes = crypto.getRandomValues(new Uint8Array(64));
  const body = new Blob([bytes, new Uint8Array(sizeBytes - 64)], { type: 'image/png' });
  const digest = await crypto.subtle.digest('SHA-256', await body.arrayBuffer());
  const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0'));
  const upload = {
    id: crypto.randomUUID(),
    ...{ name: 'a.png', path: 'a.png', mimeType: 'image/png', sizeBytes, checksum: hex.join('') },
  };
  return { upload, body };
}

async function send(
  adapter: ReturnType<typeof s3PresignedAdapter>,
  { upload, body }: Awaited<ReturnType<typeof fileOf>>,
) {
  const [granted] = await adapter.credentials([upload], signal);
  if (granted?.status !== 'granted') throw new Error('Not granted');
  const { credential } = granted;
  const outcome = await adapter.put({ upload, credential, body, signal, onProgress: () => {} });
  return { outcome, stored: await lab.read(credential.pathname) };
}

describe.each([
  ['presigned', () => s3PresignedAdapter({ ...presigned, maxConcurrency: 1 })],
  [
    'with temporary credentials',
    () => s3TemporaryCredentialsAdapter({ ...temporary, maxConcurrency: 1 }),
  ],
])('the S3 adapter %s, on a page that sent no large file', (_, create) => {
  it('has the store forget the parts that an earlier page sent', async () => {
    const { countUnfinished } = await backend();
    const { upload, body } = await fileOf(20 * MIB);
    const earlier = create();
    const [granted] = await earlier.credentials([upload], signal);
    if (granted?.status !== 'granted') throw new Error('Not granted');
    const { credential } = granted;
    const stop = new AbortController();
    const onProgress = (sentBytes: number) => {
      if (sentBytes > 10 * MIB) stop.abort();
    };
    const request = { upload, credential, body, signal: stop.signal, onProgress };
    await expect(earlier.put(request)).rejects.toMatchObject({ code: 'cancelled' });
    expect(await countUnfinished?.()).toBe(1);
    await create().abort?.(credential);
    expect(await countUnfinished?.()).toBe(0);
  });
});

describe('the presigned S3 adapter', () => {
  it('sends a large file in parts, several at a time, and asks for nothing twice', async () => {
    await lab.reset();
    const { upload, body } = await fileOf(20 * MIB);
    const { outcome, stored } = await send(s3PresignedAdapter(presigned), { upload, body });
    expect([outcome, stored?.checksum]).toEqual(['stored', upload.checksum]);
    expect((await lab.requests()).map((line) => line.split(' ')[0])).toEqual(['PUT', 'PUT', 'PUT']);
  });

  it('asks the application for ETags that the store hides', async () => {
    const file = await fileOf(17 * MIB);
    let listed = 0;
    const adapter = s3PresignedAdapter({
      ...presigned,
      async listParts(open, after) {
        listed += 1;
        return (await lab.call('list', { open, after })) ?? undefined;
      },
      completeMultipart: (open, parts) => {
        expect(parts.every(({ etag }) => etag)).toBe(true);
        return lab.call('complete', { open, parts });
      },
      signParts: async (open, parts) => lab.call('signParts', { open, parts }),
    });
    const { getResponseHeader } = XMLHttpRequest.prototype;
    XMLHttpRequest.prototype.getResponseHeader = () => null;
    try {
      expect((await send(adapter, file)).outcome).toBe('stored');
    } finally {
      XMLHttpRequest.prototype.getResponseHeader = getResponseHeader;
    }
    // In pages of two.
    expect(listed).toBe(2);
  });

  it('begins anew when the store forgot the parts', async () => {
    const file = await fileOf(17 * MIB);
    const opened: OpenMultipart[] = [];
    let fails = true;
    const adapter = s3PresignedAdapter({
      ...presigned,
      async createMultipart(upload, key) {
        const open = await lab.call<{ uploadId: string }>('create', { ...upload, key });
        opened.push({ ...open, key });
        return open;
      },
      completeMultipart: (open, parts) => {
        if (fails) throw new UploadError('internal', 'Not yet.');
        return lab.call('complete', { open, parts });
      },
    });
    await expect(send(adapter, file)).rejects.toMatchObject({ code: 'internal' });
    await lab.call('abort', opened[0]);
    fails = false;
    expect((await send(adapter, file)).stored?.checksum).toBe(file.upload.checksum);
    expect(opened).toHaveLength(2);
  });

  it('completes without sending a byte when only the completion failed', async () => {
    const file = await fileOf(17 * MIB);
    let fails = true;
    const adapter = s3PresignedAdapter({
      ...presigned,
      completeMultipart: (open, parts) => {
        if (fails) throw new UploadError('network_failed', 'Gone.');
        return lab.call('complete', { open, parts });
      },
    });
    expect((await send(adapter, file)).outcome).toBe('lost');
    fails = false;
    await lab.reset();
    expect((await send(adapter, file)).outcome).toBe('stored');
    expect(await lab.requests()).toEqual([]);
  });

  it('says of an error of the application’s own what its classify says', async () => {
    class Busy extends Error {}
    const adapter = s3PresignedAdapter({
      ...presigned,
      createMultipart: async () => {
        throw new Busy();
      },
      classify: (error) =>
        error instanceof Busy ? new UploadError('unavailable', 'Busy.') : undefined,
    });
    await expect(send(adapter, await fileOf(17 * MIB))).rejects.toMatchObject({
      code: 'unavailable',
    });
  });

  it('names the function of five that is missing', () => {
    const { listParts: _, ...incomplete } = presigned;
    expect(() => s3PresignedAdapter(incomplete)).toThrow(
      's3PresignedAdapter.listParts: multipart uploads need it',
    );
  });
});

describe('the S3 adapter with temporary credentials', () => {
  const wrongKeys = async (): Promise<TemporaryCredentials> => ({
    ...{ accessKeyId: 'test:tester', secretAccessKey: 'wrong' },
    expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
  });

  it.each([20_000, 17 * MIB])(
    'fetches other keys when the store refuses them (%i bytes)',
    async (bytes) => {
      let given = 0;
      const adapter = s3TemporaryCredentialsAdapter({
        ...temporary,
        credentials: () => {
          given += 1;
          return given === 1 ? wrongKeys() : lab.call('keys', { lifetimeMs: 3_600_000 });
        },
      });
      const file = await fileOf(bytes);
      expect((await send(adapter, file)).stored?.checksum).toBe(file.upload.checksum);
      expect(given).toBe(2);
    },
  );

  it('gives up when other keys are refused as well', async () => {
    const adapter = s3TemporaryCredentialsAdapter({ ...temporary, credentials: wrongKeys });
    await expect(send(adapter, await fileOf(20_000))).rejects.toMatchObject({
      ...{ code: 'store_misconfigured', action: 'halt', status: 403 },
    });
  });

  it('fetches keys once for many files, and again before they expire', async () => {
    let given = 0;
    let lifetimeMs = 3_600_000;
    let nowMs = 0;
    const { systemRuntime } = await import('../../src/runtime/runtime.ts');
    const runtime = { ...systemRuntime(), now: () => performance.now() + nowMs };
    const adapter = s3TemporaryCredentialsAdapter(
      {
        ...temporary,
        credentials: () => {
          given += 1;
          return lab.call('keys', { lifetimeMs });
        },
      },
      runtime,
    );
    lifetimeMs = 20_000;
    await Promise.all([1, 2, 3].map(async () => send(adapter, await fileOf(1_000))));
    expect(given).toBe(1);
    // Fresh keys are used although they live shortly; half a minute later they are not.
    nowMs = 31_000;
    await send(adapter, await fileOf(1_000));
    expect(given).toBe(2);
  });

  it('signs the server’s time where the page’s clock is wrong', async () => {
    const { systemRuntime } = await import('../../src/runtime/runtime.ts');
    const wrong = { ...systemRuntime(), epochNow: () => Date.now() - 3 * 3_600_000 };
    const file = await fileOf(1_000);
    const credentials = async () => ({
      ...(await lab.call<TemporaryCredentials>('keys', { lifetimeMs: 3_600_000 })),
      serverNow: new Date().toISOString(),
    });
    const adapter = s3TemporaryCredentialsAdapter({ ...temporary, credentials }, wrong);
    expect((await send(adapter, file)).stored?.checksum).toBe(file.upload.checksum);
    const without = s3TemporaryCredentialsAdapter(temporary, wrong);
    await expect(send(without, await fileOf(1_000))).rejects.toMatchObject({ status: 403 });
  });

  it('does not take anything for credentials', async () => {
    const credentials = async () => ({ accessKeyId: 'a' }) as TemporaryCredentials;
    const adapter = s3TemporaryCredentialsAdapter({ ...temporary, credentials });
    await expect(send(adapter, await fileOf(1_000))).rejects.toMatchObject({
      code: 'unexpected_response',
    });
  });

  it('says at once that a page without crypto.subtle cannot sign', () => {
    const own = Object.getOwnPropertyDescriptor(Crypto.prototype, 'subtle') ?? {};
    Object.defineProperty(Crypto.prototype, 'subtle', { ...own, get: () => undefined });
    try {
      expect(() => s3TemporaryCredentialsAdapter(temporary)).toThrow('serve it by https');
    } finally {
      Object.defineProperty(Crypto.prototype, 'subtle', own);
    }
  });
});
