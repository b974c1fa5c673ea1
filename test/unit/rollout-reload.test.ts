import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { UploadError } from '../../src/errors/upload-error.ts';
import type { UploadAdapter } from '../../src/transports/adapter.ts';
import type { AdapterDefinition } from '../../src/transports/complete-adapter.ts';
import { memoryStorage } from '../support/memory-storage.ts';
import { adapterOf, fileOf, grant, put, rollout, signal } from '../support/rollout-world.ts';

const VERIFYING = { capabilities: { verifiesAtFinalize: true } } as const;
const GONE = new UploadError('store_refused', 'No such thing.', { status: 404 });

let items: Map<string, string>;

beforeEach(() => {
  const memory = memoryStorage();
  items = memory.items;
  vi.stubGlobal('localStorage', memory.storage);
});
afterEach(() => vi.unstubAllGlobals());

/** Both ways of one page. What finalize of a trusting one is told is done: it looks nowhere. */
function pageOf(percent: number, direct: Partial<AdapterDefinition> = {}, legacy = direct) {
  const ways = { direct: adapterOf('direct', direct), legacy: adapterOf('legacy', legacy) };
  const { adapter } = rollout(ways.direct.adapter, ways.legacy.adapter, percent);
  return { adapter, direct: ways.direct.calls, legacy: ways.legacy.calls };
}

/** As an adapter does that is told nothing: whatever it is asked about is done. */
function trusting(calls: string[]): Partial<AdapterDefinition> {
  return {
    async finalize(asked) {
      calls.push(...asked.map(({ assetId }) => assetId));
      return asked.map(({ assetId: id }) => {
        const asset = { id, blobUrl: '', isDuplicate: false, needsProcessing: false };
        return { status: 'finalized', asset };
      });
    },
  };
}

const sent = (assetId: string) => ({ ...fileOf(assetId.split('-')[1] ?? ''), assetId });

async function finalize(adapter: UploadAdapter, ...assetIds: string[]) {
  const outcomes = await adapter.finalize(assetIds.map(sent), signal);
  return outcomes.map((outcome) =>
    outcome.status === 'finalized' ? outcome.asset.id : outcome.error.code,
  );
}

describe('an upload of a rollout, after a reload', () => {
  it('stays with the legacy way where the page had fallen back to it', async () => {
    const before = pageOf(100, { credentials: () => Promise.reject(GONE) }, {});
    await put(before.adapter, '1');
    const after = pageOf(100);
    expect(await finalize(after.adapter, 'legacy-1')).toEqual(['legacy-1']);
    expect([after.direct, after.legacy]).toEqual([[], ['finalize legacy-1']]);
  });

  it.each([
    ['legacy', 'grew', 0, 100],
    ['direct', 'went on', 100, 100],
    ['legacy', 'went on', 0, 0],
  ] as const)('stays with the %s way when the rollout %s', async (way, _, then, now) => {
    await put(pageOf(then).adapter, '1');
    const after = pageOf(now);
    expect(await finalize(after.adapter, `${way}-1`)).toEqual([`${way}-1`]);
    expect(after[way]).toEqual([`finalize ${way}-1`]);
  });

  it('stays with a direct way that finds it, when the rollout was taken back', async () => {
    await put(pageOf(100).adapter, '1');
    expect(await finalize(pageOf(0, VERIFYING).adapter, 'direct-1')).toEqual(['direct-1']);
  });

  it.each([
    ['has no word for it', {}],
    ['fails', { ...VERIFYING, finalize: () => Promise.reject(GONE) }],
  ])('is sent again when the rollout was taken back and the direct way %s', async (_, direct) => {
    await put(pageOf(100).adapter, '1');
    const { adapter } = pageOf(0, direct, VERIFYING);
    const outcomes = await finalize(adapter, 'direct-1', 'legacy-2');
    expect(outcomes).toEqual(['not_uploaded', 'legacy-2']);
  });

  it('is forgotten once it is finalized, given up, or stored and finalized in one', async () => {
    const asset = { id: 'x', blobUrl: '', isDuplicate: false, needsProcessing: false };
    const { adapter } = pageOf(100);
    await put(adapter, '1');
    expect(items.size).toBe(1);
    await finalize(adapter, 'direct-1');
    expect(items.size).toBe(0);
    const [granted] = await adapter.credentials([fileOf('2')], signal);
    await put(adapter, '2');
    if (granted?.status === 'granted') await adapter.abort?.(granted.credential);
    expect(items.size).toBe(0);
    await put(pageOf(100, { put: async () => ({ finalized: asset }) }).adapter, '3');
    expect(items.size).toBe(0);
  });

  it('stays with the way that it was granted last, though it went in a pack', async () => {
    await put(pageOf(0).adapter, '1');
    const pack = { maxFiles: 9, maxBytes: 9, maxFileBytes: 9 };
    const packing: Partial<AdapterDefinition> = {
      capabilities: { pack },
      putPack: async (request) => request.items.map(() => 'stored'),
    };
    const { adapter } = pageOf(100, packing, {});
    const upload = fileOf('1');
    const item = { upload, credential: await grant(adapter, upload), body: new Blob(['abc']) };
    await adapter.putPack?.({ items: [item], signal, onProgress: () => {} });
    expect(await finalize(pageOf(100).adapter, 'direct-1')).toEqual(['direct-1']);
  });

  it('is reconciled with the way that it went', async () => {
    await put(pageOf(0).adapter, '1');
    const found = (name: string): Partial<AdapterDefinition> => ({
      reconcile: async (files) =>
        files.map(({ id }) => ({ kind: 'uploaded', assetId: `${name}-${id}` })),
    });
    const { adapter } = pageOf(100, found('direct'), found('legacy'));
    const results = await adapter.reconcile?.([fileOf('1'), fileOf('2')], signal);
    expect(results?.map((result) => result.kind === 'uploaded' && result.assetId)).toEqual([
      'legacy-1',
      'direct-2',
    ]);
  });
});

describe('an upload of a rollout of which nothing is known', () => {
  it('is never taken for done by a way that does not look', async () => {
    const told: string[] = [];
    for (const percent of [100, 0]) {
      const { adapter } = pageOf(percent, trusting(told));
      expect(await finalize(adapter, 'legacy-1')).toEqual(['not_uploaded']);
      expect(await adapter.head?.([sent('legacy-1')], signal)).toEqual([false]);
    }
    expect(told).toEqual([]);
  });

  it('is looked for by both ways', async () => {
    const { adapter } = pageOf(100, VERIFYING);
    expect(await finalize(adapter, 'legacy-1', 'direct-2', 'nobody-3')).toEqual([
      'legacy-1',
      'direct-2',
      'not_found',
    ]);
  });

  it('is finalized by a way whose store has it', async () => {
    const told: string[] = [];
    const head: UploadAdapter['head'] = async (asked) =>
      asked.map(({ assetId }) => assetId === 'direct-2');
    const { adapter } = pageOf(100, { ...trusting(told), head }, {});
    expect(await finalize(adapter, 'direct-1', 'direct-2')).toEqual(['not_uploaded', 'direct-2']);
    expect(await adapter.head?.([sent('direct-2'), sent('direct-1')], signal)).toEqual([
      ...[true, false],
    ]);
    expect(told).toEqual(['direct-2']);
  });

  it.each([100, 0])(
    'waits where its way cannot be asked just now (%i percent)',
    async (percent) => {
      const error = new UploadError('unavailable', 'Soon.');
      const { adapter } = pageOf(percent, { ...VERIFYING, finalize: () => Promise.reject(error) });
      await expect(finalize(adapter, 'legacy-1')).rejects.toBe(error);
    },
  );
});
