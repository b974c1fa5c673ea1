import { describe, expect, inject, it } from 'vitest';
import { describeUploadAdapter } from '../../src/testing/client.ts';
import { vercelBlobAdapter } from '../../src/transports/vercel-blob-adapter.ts';
import { openLab } from '../support/lab-client.ts';

const lab = await openLab(inject('labUrl'), 'vercel');
const options = {
  handleUploadUrl: `${lab.appUrl}/handle-upload`,
  access: 'public',
  apiUrl: `${lab.url}/api/blob`,
} as const;
const backend = async () => lab.asBackend(({ credential }) => credential.pathname);

describeUploadAdapter(
  'Vercel Blob',
  { create: () => vercelBlobAdapter(options), backend, capabilities: { createOnly: true } },
  { describe, it },
);

describeUploadAdapter(
  'Vercel Blob, with a finalize of one’s own',
  {
    create: () =>
      vercelBlobAdapter({
        ...options,
        finalize: async (items) =>
          items.map(({ assetId, url = '' }) => ({
            status: 'finalized',
            asset: { id: assetId, blobUrl: url, isDuplicate: false, needsProcessing: true },
          })),
      }),
    backend,
    capabilities: { createOnly: true },
  },
  { describe, it },
);

describe('the Vercel Blob adapter', () => {
  const file = (name: string) => ({
    id: crypto.randomUUID(),
    ...{ name, path: name, mimeType: 'image/png', sizeBytes: 5_000, checksum: 'a'.repeat(64) },
  });
  const { signal } = new AbortController();

  it('finalizes with the URL that the store gave the blob', async () => {
    const adapter = vercelBlobAdapter({ ...options, pathname: ({ id }) => `own/${id}.png` });
    const upload = file('a.png');
    const [granted] = await adapter.credentials([upload], signal);
    if (granted?.status !== 'granted') throw new Error('Not granted');
    const { credential } = granted;
    expect(credential.pathname).toBe(`own/${upload.id}.png`);
    const body = new Blob([new Uint8Array(5_000)]);
    const put = { upload, credential, body, signal, onProgress: () => {} };
    expect(await adapter.put(put)).toEqual({
      finalized: {
        id: credential.pathname,
        blobUrl: await lab.call('urlOf', credential.pathname),
        ...{ isDuplicate: false, needsProcessing: false },
      },
    });
  });

  it('lets one refused file not keep the others from their tokens', async () => {
    const adapter = vercelBlobAdapter(options);
    const results = await adapter.credentials(
      [file('a.png'), file('b.exe'), file('c.png')],
      signal,
    );
    expect(results.map(({ status }) => status)).toEqual(['granted', 'failed', 'granted']);
  });

  it('refuses more bytes than the token permits', async () => {
    const adapter = vercelBlobAdapter(options);
    const upload = file('a.png');
    const [granted] = await adapter.credentials([upload], signal);
    if (granted?.status !== 'granted') throw new Error('Not granted');
    const body = new Blob([new Uint8Array(6_000)]);
    const put = { upload, credential: granted.credential, body, signal, onProgress: () => {} };
    await expect(adapter.put(put)).rejects.toMatchObject({ action: 'refresh', status: 403 });
  });

  it('does not take anything for a client token', async () => {
    const adapter = vercelBlobAdapter({ ...options, handleUploadUrl: `${lab.appUrl}/urlOf` });
    await expect(adapter.credentials([file('a.png')], signal)).rejects.toMatchObject({
      code: 'unexpected_response',
    });
  });

  it('names the option that is wrong', () => {
    const wrong = { ...options, access: 'secret' as 'public' };
    expect(() => vercelBlobAdapter(wrong)).toThrow('vercelBlobAdapter.access');
  });
});
