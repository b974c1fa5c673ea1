import { beforeAll, beforeEach, expect, inject, it } from 'vitest';
import { createUploader } from '../../src/create-uploader.ts';
import { connectFaultServer, type FaultServerClient } from '../../src/testing/client.ts';
import { bulkheadAdapter } from '../../src/transports/bulkhead-adapter.ts';
import { defineAdapter } from '../../src/transports/define-adapter.ts';
import { formPostAdapter } from '../../src/transports/form-post-adapter.ts';
import { grantLocally } from '../../src/transports/local-credential.ts';
import { type RolloutFallback, withRollout } from '../../src/transports/rollout.ts';
import { type Lab, openLab } from '../support/lab-client.ts';

let server: FaultServerClient;
let lab: Lab;

beforeAll(async () => {
  server = await (await connectFaultServer(inject('faultServerUrl'))).spawn();
  lab = await openLab(inject('labUrl'), 'form');
});
beforeEach(() => server.reset());

async function uploadFour(direct = bulkheadAdapter({ baseUrl: server.url })) {
  const fallbacks: RolloutFallback[] = [];
  const backend = lab.asBackend(({ asset }) => asset?.id);
  await backend.reset();
  const adapter = withRollout({
    ...{ percent: 100, key: 'user', direct },
    legacy: formPostAdapter({ url: `${lab.url}/api/upload` }),
    onFallback: (fallback) => void fallbacks.push(fallback),
  });
  // The form server processes nothing: what is finalized is done.
  const { watch: _watch, assetChanges: _assetChanges, ...unwatched } = adapter;
  const uploader = createUploader({ adapter: unwatched });
  const files = [1, 2, 3, 4].map((at) => {
    return new File([`photo ${at} `.repeat(500)], `photo-${at}.jpg`, { type: 'image/jpeg' });
  });
  await uploader.add(files);
  await uploader.done();
  const assetIds = [...uploader.uploads()].map((upload) => 'assetId' in upload && upload.assetId);
  uploader.destroy();
  return { fallbacks, assetIds, byLegacy: await backend.countStored?.() };
}

beforeEach(() => localStorage.clear());

it('brings every file over by the legacy way when the store lets no page in', async () => {
  const match = { route: ['preflight' as const, 'put' as const], key: 'originals/*' };
  await server.plan([{ match, do: 'no-cors' }]);
  const { fallbacks, assetIds, byLegacy } = await uploadFour();
  expect(fallbacks.map(({ reason }) => reason)).toEqual(['blocked']);
  expect([byLegacy, new Set(assetIds).size]).toEqual([4, 4]);
  expect((await server.state()).objects).toEqual([]);
});

it('brings every file over by the legacy way when the new endpoints are not there yet', async () => {
  const { fallbacks, byLegacy } = await uploadFour(bulkheadAdapter({ baseUrl: `${lab.url}/new` }));
  expect(fallbacks).toMatchObject([{ reason: 'unsupported', error: { status: 404 } }]);
  expect(byLegacy).toBe(4);
});

it('remembers in the browser which way an upload went, until it is finalized', async () => {
  const upload = {
    ...{ id: 'upload', name: 'a.jpg', path: 'a.jpg', sizeBytes: 3, mimeType: 'image/jpeg' },
    checksum: 'a'.repeat(64),
  };
  const { signal } = new AbortController();
  const told: string[] = [];
  const pageOf = (percent: number) => {
    const [direct, legacy] = (['direct', 'legacy'] as const).map((name) =>
      defineAdapter({
        name,
        credentials: async (files) =>
          files.map((file) => grantLocally(file, { uploadUrl: '/', pathname: '' }, Date.now())),
        put: async () => 'stored',
        async finalize(items) {
          told.push(name);
          return items.map(({ assetId: id }) => {
            const asset = { id, blobUrl: '', isDuplicate: false, needsProcessing: false };
            return { status: 'finalized', asset };
          });
        },
      }),
    );
    if (!direct || !legacy) throw new Error('Two ways are needed');
    return withRollout({ percent, key: 'user', direct, legacy });
  };
  const before = pageOf(0);
  const [granted] = await before.credentials([upload], signal);
  if (granted?.status !== 'granted') throw new Error('Not granted');
  const { credential } = granted;
  await before.put({ upload, credential, body: new Blob(), signal, onProgress: () => {} });
  const item = { ...upload, assetId: credential.assetId };
  const finalize = async () => (await pageOf(100).finalize([item], signal))[0]?.status;
  expect([await finalize(), told, localStorage.length]).toEqual(['finalized', ['legacy'], 0]);
  expect(await finalize()).toBe('failed');
});
