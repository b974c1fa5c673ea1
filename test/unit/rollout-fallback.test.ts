import { describe, expect, it } from 'vitest';
import { createUploader } from '../../src/create-uploader.ts';
import { UploadError } from '../../src/errors/upload-error.ts';
import type { PutRequest, UploadAdapter } from '../../src/transports/adapter.ts';
import type { AdapterDefinition } from '../../src/transports/complete-adapter.ts';
import { adapterOf, fileOf, grant, rollout, signal } from '../support/rollout-world.ts';
import { textFiles, textHasher } from '../support/uploader-world.ts';
import { VirtualRuntime } from '../support/virtual-runtime.ts';

const CAPABILITIES = { checksum: 'sha256', verifiesAtFinalize: true } as const;
const PACK = { pack: { maxFiles: 50, maxBytes: 1e6, maxFileBytes: 1_000 } };
const failed = () => new UploadError('network_failed', 'gone');
const gone = () => new UploadError('not_found', 'None.', { status: 404 });

const finalized = (id: string) => ({
  finalized: { id, blobUrl: '', isDuplicate: false, needsProcessing: false },
});

/** A page whose direct way does as is said, and whose legacy way takes each file in a step. */
function pageOf(runtime: VirtualRuntime, methods: Partial<AdapterDefinition>) {
  const direct = adapterOf('direct', {
    capabilities: methods.putPack ? { ...CAPABILITIES, ...PACK } : CAPABILITIES,
    isStoreReachable: async () => true,
    ...methods,
  });
  const legacy = adapterOf('legacy', {
    capabilities: CAPABILITIES,
    async put({ credential, signal: { aborted } }) {
      await runtime.sleep(1_000);
      if (aborted) throw new UploadError('cancelled', 'The upload was cancelled.');
      return finalized(credential.assetId);
    },
  });
  const { adapter, fallbacks } = rollout(direct.adapter, legacy.adapter);
  const uploader = createUploader({ adapter, runtime, hasher: textHasher(runtime) });
  /** How many ended with which of the two, or how else. */
  const ends = () => {
    const names = [...uploader.uploads()].map((upload) => {
      const isStored = upload.status === 'embedding' && upload.assetId;
      return isStored ? isStored.slice(0, 6) : upload.status;
    });
    return Object.fromEntries([...new Set(names)].map((name) => [name, count(names, name)]));
  };
  const reasons = () => fallbacks.map(({ reason }) => reason);
  return { adapter, uploader, ends, reasons };
}

const count = (names: readonly string[], name: string) =>
  names.filter((each) => each === name).length;
const small = (files: number) => textFiles(files);
const large = (files: number) => textFiles(files, (at) => `large ${at}`.padEnd(5_000));

const packed: UploadAdapter['putPack'] = async ({ items }) =>
  items.map(({ credential }) => finalized(credential.assetId));

/** The files come in turn: small ones first, then large ones. */
async function upload(methods: (runtime: VirtualRuntime) => Partial<AdapterDefinition>) {
  const runtime = new VirtualRuntime(1);
  const page = pageOf(runtime, methods(runtime));
  await page.uploader.add(small(5));
  await runtime.advance(5_000);
  await page.uploader.add(large(5));
  await runtime.advance(60 * 60_000);
  page.uploader.destroy();
  return { ends: page.ends(), reasons: page.reasons() };
}

describe('a rollout’s fallback', () => {
  it.each([
    ['blocked', failed],
    ['unsupported', gone],
  ] as const)('says %s of the store, though packs came through', async (reason, error) => {
    const put = () => Promise.reject(error());
    const { ends, reasons } = await upload(() => ({ put, putPack: packed }));
    expect([ends, reasons]).toEqual([{ direct: 5, legacy: 5 }, [reason]]);
  });

  it('comes where answers are hidden and the store turns out to have nothing', async () => {
    const { ends, reasons } = await upload(() => ({
      put: async () => 'lost',
      finalize: async (items) =>
        items.map(() => {
          const error = new UploadError('not_uploaded', 'None.');
          return { status: 'failed', error };
        }),
    }));
    expect([ends, reasons]).toEqual([{ legacy: 10 }, ['blocked']]);
  });

  it('stays away where answers are hidden and the store has everything', async () => {
    let puts = 0;
    const { ends, reasons } = await upload(() => ({
      async put() {
        puts += 1;
        if (puts > 5) throw failed();
        return 'lost';
      },
      finalize: async (items) =>
        items.map(({ assetId }) => {
          return { status: 'finalized', asset: finalized(assetId).finalized };
        }),
    }));
    expect(reasons).toEqual([]);
    expect(ends).toMatchObject({ direct: 5 });
  });

  it.each([
    ['half sent', 0.5],
    ['about to be sent', 0],
  ])('stays away when the network changes once, with several files %s', async (_, share) => {
    const { ends, reasons } = await upload((runtime) => ({
      async put({ onProgress, body, credential }: PutRequest) {
        const isBefore = runtime.now() < 5_000;
        onProgress(body.size * share);
        await runtime.sleep(4_900);
        if (isBefore) throw failed();
        return finalized(credential.assetId);
      },
    }));
    expect([ends, reasons]).toEqual([{ direct: 10 }, []]);
  });

  it('ends packs: one file that is taken back fails no other', async () => {
    const runtime = new VirtualRuntime(1);
    const { adapter, uploader, ends } = pageOf(runtime, {
      credentials: () => Promise.reject(gone()),
      putPack: packed,
    });
    expect(adapter.capabilities.pack).toEqual(PACK.pack);
    await uploader.add(small(20));
    await runtime.advance(1_500);
    expect(adapter.capabilities.pack).toBeUndefined();
    const taken = [...uploader.uploads()].find(({ status }) => status === 'uploading');
    if (taken) uploader.abort({ id: taken.id });
    await runtime.advance(60_000);
    uploader.destroy();
    expect(ends()).toEqual({ legacy: 19, cancelled: 1 });
  });

  it('sends what is in a pack of the direct way for credentials of the legacy way', async () => {
    const direct = adapterOf('direct', {
      capabilities: PACK,
      put: () => Promise.reject(gone()),
      putPack: packed,
    });
    const { adapter } = rollout(direct.adapter, adapterOf('legacy').adapter);
    const item = {
      upload: fileOf('1'),
      credential: await grant(adapter, fileOf('1')),
      body: new Blob(['abc']),
    };
    const pack = () => adapter.putPack?.({ items: [item], signal, onProgress: () => {} });
    expect(await pack()).toEqual([finalized('direct-1')]);
    const alone = adapter.put({ ...item, signal, onProgress: () => {} });
    await expect(alone).rejects.toMatchObject({ action: 'refresh' });
    expect(await pack()).toMatchObject([{ failed: { action: 'refresh' } }]);
    const aborted = { items: [item], signal: AbortSignal.abort(), onProgress: () => {} };
    await expect(adapter.putPack?.(aborted)).rejects.toMatchObject({ code: 'cancelled' });
  });
});
