import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { UploadError } from '../../src/errors/upload-error.ts';
import type { UploadAdapter } from '../../src/transports/adapter.ts';
import { rolloutShare, withRollout } from '../../src/transports/rollout.ts';
import { adapterOf, fileOf, grant, put, rollout, signal } from '../support/rollout-world.ts';

describe('the share of a rollout', () => {
  it('is the same for the same key, and keeps who is in while it grows', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.nat(100), fc.nat(100), (key, a, b) => {
        expect(rolloutShare(key)).toBe(rolloutShare(key));
        const [less, more] = [Math.min(a, b), Math.max(a, b)];
        const isIn = (percent: number) => {
          const [direct, legacy] = [adapterOf('direct').adapter, adapterOf('legacy').adapter];
          return withRollout({ percent, key, direct, legacy }).name === 'rollout:direct';
        };
        if (isIn(less)) expect(isIn(more)).toBe(true);
        expect([isIn(0), isIn(100)]).toEqual([false, true]);
      }),
    );
  });

  it('is even: of ten thousand users about as many are in as it says', () => {
    for (const percent of [1, 10, 50, 90]) {
      const users = Array.from({ length: 10_000 }, (_, at) => `user-${at}`);
      const count = users.filter((key) => rolloutShare(key) < percent).length;
      expect(Math.abs(count - percent * 100)).toBeLessThan(200);
    }
  });
});

describe('a rollout', () => {
  it('sends legacy users the legacy way, and leaves the direct backend alone', async () => {
    const asked = vi.fn(async () => []);
    const methods = { reconcile: asked, assetChanges: asked, watch: () => () => {} };
    const direct = adapterOf('direct', methods);
    const capabilities = { maxConcurrency: 3, maxBatchFiles: 7, verifiesAtFinalize: true };
    const legacy = adapterOf('legacy', { capabilities });
    const { adapter } = rollout(direct.adapter, legacy.adapter, 0);
    expect(await put(adapter, '1')).toBe('stored');
    await adapter.finalize([{ ...fileOf('1'), assetId: 'legacy-1' }], signal);
    expect(legacy.calls).toEqual(['credentials', 'put', 'finalize legacy-1']);
    expect([direct.calls, asked.mock.calls]).toEqual([[], []]);
    expect(adapter.capabilities).toMatchObject(capabilities);
    expect([adapter.reconcile, adapter.assetChanges, adapter.watch]).toEqual([
      ...[undefined, undefined, undefined],
    ]);
  });

  it.each([404, 405, 501])(
    'goes on by the legacy way when credentials answer %i',
    async (status) => {
      const error = new UploadError('store_refused', 'No such thing.', { status });
      const direct = adapterOf('direct', { credentials: () => Promise.reject(error) });
      const legacy = adapterOf('legacy');
      const { adapter, fallbacks } = rollout(direct.adapter, legacy.adapter);
      expect(await put(adapter, '1')).toBe('stored');
      expect(await put(adapter, '2')).toBe('stored');
      expect(fallbacks).toEqual([{ reason: 'unsupported', error }]);
      expect(legacy.calls).toEqual(['credentials', 'put', 'credentials', 'put']);
    },
  );

  it('goes on by the legacy way when the store is there and no PUT comes through', async () => {
    const error = new UploadError('network_failed', 'Nothing.');
    const direct = adapterOf('direct', {
      put: () => Promise.reject(error),
      isStoreReachable: async () => true,
    });
    const legacy = adapterOf('legacy');
    const { adapter, fallbacks } = rollout(direct.adapter, legacy.adapter);
    await expect(put(adapter, '1')).rejects.toBe(error);
    await expect(put(adapter, '2')).rejects.toBe(error);
    // The next one is asked for another credential, which is of the other way.
    await expect(put(adapter, '3')).rejects.toMatchObject({ action: 'refresh' });
    expect(await put(adapter, '3')).toBe('stored');
    expect(fallbacks).toEqual([{ reason: 'blocked', error }]);
    expect(legacy.calls).toEqual(['credentials', 'put']);
  });

  it('stays when the store is not there either: that is an outage', async () => {
    const direct = adapterOf('direct', {
      put: () => Promise.reject(new UploadError('network_failed', 'Nothing.')),
      isStoreReachable: async () => false,
    });
    const { adapter, fallbacks } = rollout(direct.adapter, adapterOf('legacy').adapter);
    for (const id of ['1', '2', '3', '4']) {
      await expect(put(adapter, id)).rejects.toMatchObject({ code: 'network_failed' });
    }
    expect(fallbacks).toEqual([]);
  });

  it('stays once something was stored', async () => {
    const error = new UploadError('store_blocked', 'Blocked.');
    let isBlocked = false;
    const direct = adapterOf('direct', {
      put: async () => {
        if (isBlocked) throw error;
        return 'stored';
      },
    });
    const { adapter, fallbacks } = rollout(direct.adapter, adapterOf('legacy').adapter);
    await put(adapter, '1');
    isBlocked = true;
    await expect(put(adapter, '2')).rejects.toBe(error);
    expect(fallbacks).toEqual([]);
  });

  it('keeps every upload with the adapter that granted it', async () => {
    let works = true;
    const refusal = new UploadError('store_refused', 'Gone.', { status: 404 });
    const granting = adapterOf('direct');
    const direct = {
      ...granting.adapter,
      credentials: (...args: Parameters<UploadAdapter['credentials']>) =>
        works ? granting.adapter.credentials(...args) : Promise.reject(refusal),
    };
    const legacy = adapterOf('legacy');
    const { adapter } = rollout(direct, legacy.adapter);
    const first = await grant(adapter, fileOf('1'));
    works = false;
    const second = await grant(adapter, fileOf('2'));
    const items = [second, first].map(({ assetId }, at) => ({ ...fileOf(`${2 - at}`), assetId }));
    const outcomes = await adapter.finalize(items, signal);
    expect(outcomes.map((outcome) => outcome.status === 'finalized' && outcome.asset.id)).toEqual([
      'legacy-2',
      'direct-1',
    ]);
    expect([granting.calls.at(-1), legacy.calls.at(-1)]).toEqual([
      'finalize direct-1',
      'finalize legacy-2',
    ]);
  });

  it('promises no more than both adapters keep', () => {
    const direct = {
      ...adapterOf('direct').adapter,
      capabilities: { maxConcurrency: 6, maxBatchFiles: 500, createOnly: true, checksum: 'sha256' },
    } as const;
    const { adapter } = rollout(direct, adapterOf('legacy').adapter);
    expect(adapter.capabilities).toMatchObject({
      ...{ maxConcurrency: 6, maxBatchFiles: 100, createOnly: false, checksum: 'none' },
    });
  });

  it('reports a listener that throws, and goes on', async () => {
    const error = new UploadError('store_refused', 'No such thing.', { status: 404 });
    const direct = adapterOf('direct', { credentials: () => Promise.reject(error) }).adapter;
    const legacy = adapterOf('legacy').adapter;
    const { systemRuntime } = await import('../../src/runtime/runtime.ts');
    const reported: unknown[] = [];
    const runtime = {
      ...systemRuntime(),
      reportError: (thrown: unknown) => void reported.push(thrown),
    };
    const thrown = new Error('listener');
    const onFallback = () => {
      throw thrown;
    };
    const options = { percent: 100, key: 'user', direct, legacy, onFallback };
    expect(await put(withRollout(options, runtime), '1')).toBe('stored');
    expect(reported).toEqual([thrown]);
  });

  it('names the option that is wrong', () => {
    const [direct, legacy] = [adapterOf('direct').adapter, adapterOf('legacy').adapter];
    const options = { percent: 101, key: 'user', direct, legacy };
    expect(() => withRollout(options)).toThrow('withRollout.percent');
  });

  it.each([{}, { credentials: 1 }, { name: 'mine', credentials: async () => [] }, undefined])(
    'names the option that is no adapter: %o',
    (thing) => {
      const { adapter } = adapterOf('other');
      const options = { percent: 10, key: 'user', direct: adapter, legacy: adapter };
      for (const option of ['direct', 'legacy']) {
        const wrong = { ...options, [option]: thing };
        expect(() => withRollout(wrong)).toThrow(`withRollout.${option}: expected an adapter`);
      }
    },
  );
});
