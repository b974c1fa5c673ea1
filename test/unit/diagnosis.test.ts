import { beforeAll, describe, expect, it } from 'vitest';
import { createUploader } from '../../src/create-uploader.ts';
import { UploadError, type UploadErrorCode } from '../../src/errors/upload-error.ts';
import type { UploadAdapter } from '../../src/transports/adapter.ts';
import { MemoryBackend } from '../support/memory-backend.ts';
import { textHasher } from '../support/uploader-world.ts';
import { VirtualRuntime } from '../support/virtual-runtime.ts';

/** Diagnoses a memory backend, parts of its adapter replaced. */
async function diagnose(change: (adapter: UploadAdapter) => Partial<UploadAdapter> = () => ({})) {
  const runtime = new VirtualRuntime();
  const backend = new MemoryBackend(runtime);
  const adapter = backend.adapter({ reachable: true });
  const uploader = createUploader({
    adapter: { ...adapter, ...change(adapter) },
    ...{ runtime, hasher: textHasher(runtime), storage: false },
  });
  const diagnosing = uploader.diagnose();
  let isOver = false;
  void diagnosing.then(() => {
    isOver = true;
  });
  await runtime.advance(60_000, () => isOver);
  const diagnosis = await diagnosing;
  const of = (name: string) => diagnosis.checks.find((check) => check.name === name);
  return { ...diagnosis, of, backend, uploader, runtime };
}

// Virtual time does not wait for a module that is loaded when it is needed.
beforeAll(() => import('../../src/core/diagnosis/diagnose.ts'));

const rejects = (code: UploadErrorCode) => async () => {
  throw new UploadError(code, 'As planned.');
};

describe('the diagnosis', () => {
  it('of a backend that works finds nothing to change, and lists no upload', async () => {
    const { ok, checks, uploader, backend } = await diagnose(() => ({
      finalize: async () => [{ status: 'failed', error: new UploadError('not_an_image', 'Text.') }],
    }));
    expect(checks.map(({ name, status, fix }) => [name, status, fix])).toEqual([
      ['page', 'ok', undefined],
      ['storage', 'ok', undefined],
      ['hashing', 'ok', undefined],
      ['credentials', 'ok', undefined],
      ['clock', 'ok', undefined],
      ['store', 'ok', undefined],
      ['finalize', 'ok', undefined],
      ['events', 'ok', undefined],
    ]);
    expect(ok).toBe(true);
    expect([...uploader.uploads()]).toEqual([]);
    expect(backend.watchers).toBe(0);
  });

  it('says how to sign in when the server does not know who asks', async () => {
    const { ok, of } = await diagnose(() => ({ credentials: rejects('unauthenticated') }));
    expect(ok).toBe(false);
    expect(of('credentials')?.fix).toContain('credentials: "include"');
    expect(of('store')?.status).toBe('skipped');
  });

  it('names the proxy that changes Host when the server refuses this page’s origin', async () => {
    const { of } = await diagnose(() => ({ credentials: rejects('forbidden_origin') }));
    expect(of('credentials')?.fix).toContain('`allowedOrigins`');
    expect(of('credentials')?.fix).toContain('`changeOrigin: false`');
  });

  it('names the CORS rule when the store is there and takes nothing from this page', async () => {
    const { of } = await diagnose(() => ({ put: rejects('network_failed') }));
    expect(of('store')).toMatchObject({ status: 'failed' });
    expect(of('store')?.fix).toContain('AllowedMethods PUT');
    expect(of('finalize')?.status).toBe('skipped');
  });

  it('says so when the store’s host does not answer at all', async () => {
    const { of } = await diagnose(() => ({
      put: rejects('network_failed'),
      isStoreReachable: async () => false,
    }));
    expect(of('store')?.fix).toContain('does not answer');
  });

  it('says so when the server looks into another bucket than it signs for', async () => {
    const { of } = await diagnose(() => ({
      finalize: async () => [
        { status: 'failed', error: new UploadError('not_uploaded', 'Nothing there.') },
      ],
    }));
    expect(of('finalize')).toMatchObject({ status: 'failed' });
    expect(of('finalize')?.fix).toContain('another bucket');
  });

  it('tells how far the clocks are apart', async () => {
    const { of, ok } = await diagnose((adapter) => ({
      async credentials(files, signal) {
        const results = await adapter.credentials(files, signal);
        return results.map((result) => {
          if (result.status !== 'granted') return result;
          const laterMs = Date.parse(result.credential.expiresAt) + 600_000;
          const expiresAt = new Date(laterMs).toISOString();
          return { ...result, credential: { ...result.credential, expiresAt } };
        });
      },
      finalize: async () => [{ status: 'failed', error: new UploadError('not_an_image', 'Text.') }],
    }));
    expect(of('clock')).toMatchObject({ status: 'warning' });
    expect(of('clock')?.detail).toContain('600 s behind');
    expect(ok).toBe(true);
  });

  it('warns when no event stream opens within eight seconds', async () => {
    const { of, runtime } = await diagnose(() => ({ watch: () => () => {} }));
    expect(of('events')).toMatchObject({ status: 'warning', durationMs: 8_000 });
    expect(runtime.errors).toEqual([]);
  });

  it('does not put its file into the library of a backend that takes every file', async () => {
    const { of, backend } = await diagnose((adapter) => ({
      capabilities: { ...adapter.capabilities, verifiesAtFinalize: false },
    }));
    expect(of('finalize')?.status).toBe('skipped');
    expect(backend.finalizeCalls).toBe(0);
  });
});
