import { describe, expect, inject, it } from 'vitest';
import { describeUploadAdapter } from '../../src/testing/client.ts';
import { tusAdapter } from '../../src/transports/tus-adapter.ts';
import { openLab } from '../support/lab-client.ts';

const lab = await openLab(inject('labUrl'), 'tus');
const endpoint = `${lab.url}/files`;
const MIB = 1024 * 1024;

/** Takes what the tus server has into a library of its own. */
const finalize: NonNullable<Parameters<typeof tusAdapter>[0]['finalize']> = async (items) =>
  items.map(({ location }) => {
    const id = location.split('/').at(-1) ?? '';
    const asset = { id, blobUrl: location, isDuplicate: false, needsProcessing: false };
    return { status: 'finalized', asset };
  });

const nameOf = (location: string | null) => location?.split('/').at(-1);

/** Where the adapter keeps what it needs after a reload. */
function locationOf(id: string): string | null {
  const item = localStorage.getItem(`bulkhead:resume:tus:${endpoint}:${id}`);
  return item === null ? null : JSON.parse(item).value.location;
}

const backend = async () =>
  lab.asBackend(({ request, asset }) => asset?.id ?? nameOf(locationOf(request.id)));

describeUploadAdapter(
  'tus, small files with their creation',
  {
    create: () => tusAdapter({ endpoint, finalize }),
    backend,
    // Of an upload whose creation had no answer the page never learns the address.
    capabilities: { head: true, resumes: true, storesOnce: false },
  },
  { describe, it },
);

describeUploadAdapter(
  'tus, created first and sent in chunks',
  {
    create: () =>
      tusAdapter({ endpoint, finalize, creationWithUpload: false, chunkBytes: 2 * MIB }),
    backend,
    capabilities: { head: true, resumes: true },
  },
  { describe, it },
);

describeUploadAdapter(
  'tus, without a finalize of its own',
  {
    create: () => tusAdapter({ endpoint }),
    backend: async () => {
      const { countStored: _, ...rest } = await backend();
      return rest;
    },
    capabilities: { head: true, resumes: true, storesOnce: false },
  },
  { describe, it },
);

describe('the tus adapter', () => {
  async function uploadOne(options: Partial<Parameters<typeof tusAdapter>[0]>, bytes = 50_000) {
    const adapter = tusAdapter({ endpoint, finalize, ...options });
    const body = new Blob([new Uint8Array(bytes)], { type: 'image/png' });
    const upload = {
      id: crypto.randomUUID(),
      ...{ name: 'café.png', path: 'trip/café.png', mimeType: 'image/png' },
      ...{ sizeBytes: bytes, checksum: 'a'.repeat(64) },
    };
    const { signal } = new AbortController();
    const [granted] = await adapter.credentials([upload], signal);
    if (granted?.status !== 'granted') throw new Error('Not granted');
    const { credential } = granted;
    const put = () => adapter.put({ upload, credential, body, signal, onProgress: () => {} });
    return { adapter, upload, credential, put, body };
  }

  it('sends a small file in one request, with its name and checksum', async () => {
    await lab.reset();
    const { put, upload } = await uploadOne({});
    expect(await put()).toBe('stored');
    expect(await lab.requests()).toEqual(['POST /files']);
    const metadata = await lab.call('metadata', nameOf(locationOf(upload.id)));
    expect(metadata).toEqual({
      ...{ filename: 'café.png', filetype: 'image/png', relativePath: 'trip/café.png' },
      checksum: upload.checksum,
    });
  });

  it('begins anew when the server forgot the upload', async () => {
    const { put, upload } = await uploadOne({ creationWithUpload: false });
    await put();
    const first = locationOf(upload.id);
    await lab.call('forget', nameOf(first));
    expect(await put()).toBe('stored');
    expect(locationOf(upload.id)).not.toBe(first);
  });

  it.each([409, 423, 503])('goes on from where the server stands after a %i', async (status) => {
    await lab.reset();
    await lab.plan({ kind: 'answer', status, headers: { 'retry-after': '0' } });
    const { put } = await uploadOne({ creationWithUpload: false });
    expect(await put()).toBe('stored');
    const methods = (await lab.requests()).map((line) => line.split(' ')[0]);
    expect(methods).toEqual(['POST', 'PATCH', 'HEAD', 'PATCH']);
  });

  it.each([
    [404, 'store_refused'],
    [413, 'file_too_large'],
  ])('gives up when the endpoint answers %i', async (status, code) => {
    await lab.reset();
    await lab.plan({ kind: 'answer', status });
    const { put } = await uploadOne({});
    await expect(put()).rejects.toMatchObject({ code, action: 'permanent', status });
  });

  it('sends its headers with every request, asked anew each time', async () => {
    let asked = 0;
    const headers = () => {
      asked += 1;
      return { 'x-tenant': 'a' };
    };
    const { put } = await uploadOne({ headers, creationWithUpload: false });
    await put();
    expect(asked).toBe(2);
  });

  it('keeps nothing of an upload that is finalized', async () => {
    const { adapter, put, upload, credential } = await uploadOne({});
    await put();
    expect(locationOf(upload.id)).not.toBeNull();
    const item = { ...upload, assetId: credential.assetId };
    const [outcome] = await adapter.finalize([item], new AbortController().signal);
    expect(outcome?.status).toBe('finalized');
    expect(locationOf(upload.id)).toBeNull();
    const [again] = await adapter.finalize([item], new AbortController().signal);
    expect(again).toMatchObject({ status: 'failed', error: { code: 'not_uploaded' } });
  });

  it('names the option that is wrong', () => {
    expect(() => tusAdapter({ endpoint: '' })).toThrow('tusAdapter.endpoint');
    const wrong = { endpoint, chunkSize: 5 };
    expect(() => tusAdapter(wrong)).toThrow('tusAdapter.chunkSize: there is no such option');
  });
});
