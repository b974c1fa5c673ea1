import { describe, expect, inject, it } from 'vitest';
import { describeUploadAdapter } from '../../src/testing/client.ts';
import { formPostAdapter } from '../../src/transports/form-post-adapter.ts';
import { openLab } from '../support/lab-client.ts';

const lab = await openLab(inject('labUrl'), 'form');
const url = `${lab.url}/api/upload`;

describeUploadAdapter(
  'form post',
  {
    create: () => formPostAdapter({ url }),
    backend: async () => lab.asBackend(({ asset }) => asset?.id),
    capabilities: { verifiesAtFinalize: true },
  },
  { describe, it },
);

describe('the form post adapter', () => {
  async function post(options: Partial<Parameters<typeof formPostAdapter>[0]>, name = 'a.png') {
    const body = new Blob([new Uint8Array(5_000)], { type: 'image/png' });
    const digest = await crypto.subtle.digest('SHA-256', await body.arrayBuffer());
    const bytes = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0'));
    const upload = {
      id: crypto.randomUUID(),
      ...{ name, path: `trip/${name}`, mimeType: 'image/png' },
      ...{ sizeBytes: 5_000, checksum: bytes.join('') },
    };
    const adapter = formPostAdapter({ url, ...options });
    const { signal } = new AbortController();
    const [granted] = await adapter.credentials([upload], signal);
    if (granted?.status !== 'granted') throw new Error('Not granted');
    const { credential } = granted;
    const put = () => adapter.put({ upload, credential, body, signal, onProgress: () => {} });
    return { upload, put };
  }

  it('sends the fields that the server kit reads, and the file under its name', async () => {
    const { upload, put } = await post({}, 'a "b"\n.png');
    const outcome = await put();
    const id = typeof outcome === 'object' ? outcome.finalized.id : '';
    expect(await lab.call('fields', id)).toEqual({
      clientId: `${upload.id}-${upload.checksum.slice(0, 12)}`,
      checksum: upload.checksum,
      path: 'trip/a "b"\r\n.png'.replace('\r', ''),
      filename: 'a "b"\n.png',
      type: 'image/png',
    });
  });

  it('is the same asset when the same file is posted again', async () => {
    const { put } = await post({});
    expect(await put()).toEqual(await put());
  });

  it('reads the answer of another server by a function', async () => {
    const parse = ({ status, json }: { status: number; json: unknown }) => {
      const { asset } = json as { asset: { id: string } };
      return {
        id: `${status}:${asset.id}`,
        blobUrl: '',
        isDuplicate: false,
        needsProcessing: true,
      };
    };
    const { put } = await post({ parse });
    expect(await put()).toMatchObject({ finalized: { id: expect.stringMatching(/^200:/) } });
  });

  it('is not fooled by an answer that has no asset', async () => {
    const parse = () => {
      throw new TypeError('no asset');
    };
    const { put } = await post({ parse });
    await expect(put()).rejects.toMatchObject({ code: 'unexpected_response', action: 'transient' });
  });

  it('says what the server refused', async () => {
    const { put } = await post({ fields: () => ({ checksum: 'b'.repeat(64) }) });
    await expect(put()).rejects.toMatchObject({ code: 'checksum_mismatch', action: 'permanent' });
  });

  it('names the option that is wrong', () => {
    expect(() => formPostAdapter({ url: '' })).toThrow('formPostAdapter.url');
  });
});
