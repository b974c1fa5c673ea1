import { describe, expect, it } from 'vitest';
import { createUploader } from '../../src/create-uploader.ts';
import { OptionError } from '../../src/errors/option-error.ts';
import { UploadError } from '../../src/errors/upload-error.ts';
import type { AdapterCapabilities, UploadAdapter } from '../../src/transports/adapter.ts';
import { defineAdapter } from '../../src/transports/define-adapter.ts';
import { MemoryBackend } from '../support/memory-backend.ts';
import { createWorld, expectInvariants, textFiles, textHasher } from '../support/uploader-world.ts';
import { VirtualRuntime } from '../support/virtual-runtime.ts';

const granted = async (files: readonly { id: string }[]) =>
  files.map(({ id }) => {
    const credential = {
      ...{ uploadUrl: `memory:${id}`, assetId: id, pathname: id, headers: {} },
      method: 'PUT' as const,
      ...{ expiresAt: '2100-01-01T00:00:00Z', expiresInMs: 60_000 },
    };
    return { status: 'granted', credential } as const;
  });

/** Uploads files by an adapter made of a memory backend's, some of it replaced. */
function createWith(change: (adapter: UploadAdapter, backend: MemoryBackend) => UploadAdapter) {
  const runtime = new VirtualRuntime();
  const backend = new MemoryBackend(runtime);
  const adapter = change(backend.adapter(), backend);
  const uploader = createUploader({ adapter, runtime, hasher: textHasher(runtime) });
  const finish = async () => {
    const isOver = () => {
      const { uploaded, failed, total } = uploader.getSnapshot();
      return total > 0 && uploaded + failed === total;
    };
    await runtime.advance(30 * 60_000, isOver);
    await runtime.advance(500);
  };
  return { runtime, backend, uploader, finish };
}

const trusting = (adapter: UploadAdapter, more: Partial<AdapterCapabilities> = {}) => ({
  ...adapter.capabilities,
  verifiesAtFinalize: false,
  ...more,
});

describe('defineAdapter', () => {
  it('fills in what most backends have', () => {
    const adapter = defineAdapter({ name: 'mine', credentials: granted });
    expect(adapter.capabilities).toEqual({ maxConcurrency: 6, maxBatchFiles: 100 });
    expect(adapter).toMatchObject({ put: expect.any(Function), finalize: expect.any(Function) });
  });

  it.each([
    [{ credentials: granted }, 'defineAdapter.name'],
    [{ name: 'mine' }, 'defineAdapter.credentials'],
    [{ name: 'mine', credentials: granted, putt: () => {} }, 'defineAdapter.putt'],
    [
      { name: 'mine', credentials: granted, capabilities: { maxConcurrency: 0 } },
      'defineAdapter.capabilities.maxConcurrency',
    ],
    [
      {
        ...{ name: 'mine', credentials: granted },
        capabilities: { pack: { maxFiles: 1, maxBytes: 1, maxFileBytes: 1 } },
      },
      'defineAdapter.putPack',
    ],
  ])('refuses a wrong definition by the name of what is wrong: %#', (definition, option) => {
    const define = () => defineAdapter(definition as never);
    expect(define).toThrow(OptionError);
    expect(define).toThrow(option);
  });

  it('says what was expected of a method', () => {
    const define = () => defineAdapter({ name: 'mine', credentials: granted, put: 'PUT' as never });
    expect(define).toThrow('defineAdapter.put: expected a function');
  });

  it('keeps capabilities live that become known later', () => {
    const limits = { maxFiles: 10, maxBytes: 1_000, maxFileBytes: 100 };
    let pack: typeof limits | undefined;
    const adapter = defineAdapter({
      ...{ name: 'mine', credentials: granted, putPack: async () => [] },
      capabilities: {
        get pack() {
          return pack;
        },
      },
    });
    expect(adapter.capabilities.pack).toBeUndefined();
    pack = limits;
    expect(adapter.capabilities.pack).toBe(limits);
    expect(adapter.capabilities.maxConcurrency).toBe(6);
  });

  it('does not take undefined in place of a default', () => {
    const undefineds = { put: undefined, capabilities: { maxConcurrency: undefined } };
    const adapter = defineAdapter({ name: 'mine', credentials: granted, ...undefineds } as never);
    expect(adapter.capabilities.maxConcurrency).toBe(6);
    expect(adapter.put).toBeTypeOf('function');
  });

  it('refuses an instance of a class, whose methods would be lost', () => {
    class Mine {
      readonly name = 'mine';
      credentials = granted;
      async put() {
        return 'stored' as const;
      }
    }
    const define = () => defineAdapter(new Mine());
    expect(define).toThrow(OptionError);
    expect(define).toThrow('defineAdapter: expected a plain object, and an instance of Mine came');
  });

  it('makes an adapter whose uploads are done when they are stored', async () => {
    const stored: string[] = [];
    const { uploader, finish, runtime } = createWith(() =>
      defineAdapter({
        name: 'mine',
        credentials: granted,
        async put({ upload, body }) {
          stored.push(`${upload.name} ${body.size}`);
          return 'stored';
        },
      }),
    );
    await uploader.add(textFiles(3));
    await finish();
    expect(uploader.getSnapshot()).toMatchObject({ state: 'idle', uploaded: 3, failed: 0 });
    expect(stored).toHaveLength(3);
    expect(runtime.errors).toEqual([]);
  });
});

describe('an adapter that stores and finalizes in one step', () => {
  it('has nothing to finalize', async () => {
    const { uploader, backend, finish } = createWith((adapter) => ({
      ...adapter,
      async put(request) {
        await adapter.put(request);
        const items = [{ ...request.upload, assetId: request.credential.assetId }];
        const [outcome] = await adapter.finalize(items, request.signal);
        return outcome?.status === 'finalized' ? { finalized: outcome.asset } : 'lost';
      },
    }));
    await uploader.add(textFiles(30));
    await finish();
    await finish();
    expect(uploader.getSnapshot()).toMatchObject({ uploaded: 30, failed: 0 });
    expect(backend.finalizeCalls).toBe(30);
  });
});

describe('a store whose answer was lost, behind a backend that takes every upload at its word', () => {
  it('is asked by head whether it has the bytes', async () => {
    const asked: string[] = [];
    const tried = new Set<string>();
    const { uploader, backend, finish } = createWith((adapter, memory) => ({
      ...adapter,
      capabilities: trusting(adapter),
      async put(request) {
        // Stored, or not stored: nobody answers.
        const isFirst = !tried.has(request.upload.name);
        tried.add(request.upload.name);
        if (request.upload.name !== 'photo-1.jpg' || !isFirst) await adapter.put(request);
        return 'lost';
      },
      async head(items) {
        asked.push(...items.map(({ name }) => name));
        return items.map(({ assetId }) => memory.objects.has(assetId));
      },
    }));
    await uploader.add(textFiles(4));
    await finish();
    expect(uploader.getSnapshot()).toMatchObject({ uploaded: 4, failed: 0 });
    expect(new Set(asked).size).toBe(4);
    expect([...backend.objects.keys()]).toHaveLength(4);
    expect(Math.max(...backend.puts.values())).toBe(1);
  });

  it('that cannot be asked keeps nobody else from being finalized', async () => {
    const { uploader, finish } = createWith((adapter) => ({
      ...adapter,
      capabilities: trusting(adapter),
      async put(request) {
        await adapter.put(request);
        return request.upload.name === 'photo-1.jpg' ? 'lost' : 'stored';
      },
      head: async () => {
        throw new UploadError('store_refused', 'HEAD is not allowed.', { status: 403 });
      },
    }));
    await uploader.add(textFiles(5));
    await finish();
    // The one in doubt is sent again, and the store says that it has it.
    expect(uploader.getSnapshot()).toMatchObject({ uploaded: 5, failed: 0 });
  });

  it('without head is sent the bytes again', async () => {
    let losses = 0;
    const { uploader, finish } = createWith((adapter) => ({
      ...adapter,
      capabilities: trusting(adapter),
      async put(request) {
        losses += 1;
        if (losses === 1) return 'lost';
        return adapter.put(request);
      },
    }));
    await uploader.add(textFiles(1));
    await finish();
    expect(uploader.getSnapshot()).toMatchObject({ uploaded: 1, failed: 0 });
    expect(losses).toBe(2);
  });
});

describe('a store that verifies nothing', () => {
  it('gets the very bytes that were hashed, never those of a file that changed since', async () => {
    const [file] = textFiles(1);
    let reads = 0;
    // Changed after it was hashed, as files on a disk are.
    const changing = new Proxy(file as File, {
      get(target, name) {
        if (name === 'arrayBuffer') {
          reads += 1;
          const text = reads === 1 ? 'photo 0' : 'photo X';
          return async () => new TextEncoder().encode(text).buffer;
        }
        const value = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const sent: string[] = [];
    const { uploader, finish } = createWith((adapter) => ({
      ...adapter,
      capabilities: trusting(adapter, { checksum: 'none' }),
      async put(request) {
        sent.push(await request.body.text());
        return adapter.put(request);
      },
    }));
    await uploader.add([changing]);
    await finish();
    expect(reads).toBeGreaterThan(1);
    expect(sent).toEqual([]);
    expect(uploader.deadLetters.list()[0]?.failure.code).toBe('file_changed');
  });
});

describe('classify', () => {
  it('says what a backend’s own errors mean', async () => {
    class Throttled extends Error {}
    let calls = 0;
    const { uploader, finish, runtime } = createWith((adapter) => ({
      ...adapter,
      async put(request) {
        calls += 1;
        if (calls === 1) throw new Throttled('slow down');
        return adapter.put(request);
      },
      classify: (error) =>
        error instanceof Throttled
          ? new UploadError('rate_limited', 'It said so.', { retryAfterMs: 30_000 })
          : undefined,
    }));
    await uploader.add(textFiles(1));
    await finish();
    expect(uploader.getSnapshot()).toMatchObject({ uploaded: 1, failed: 0 });
    expect(runtime.now()).toBeGreaterThan(30_000);
  });
});

describe('abort', () => {
  it('tells the backend of an upload that was cancelled while it was sent, and of no other', async () => {
    const aborted: string[] = [];
    const world = createWorld({}, { backend: { putLatencyMs: 5_000 }, maxConcurrency: 2 });
    const adapter = world.backend.adapter({ maxConcurrency: 2 });
    const uploader = createUploader({
      adapter: { ...adapter, abort: async ({ assetId }) => void aborted.push(assetId) },
      runtime: world.runtime,
      hasher: textHasher(world.runtime),
    });
    void uploader.add(textFiles(5));
    const isSending = () => uploader.getSnapshot().byStatus.uploading === 2;
    await world.runtime.advance(4_000, isSending);
    for (const { id } of [...uploader.uploads()]) uploader.abort({ id });
    await world.runtime.advance(10_000);
    expect(aborted).toHaveLength(2);
    expect(world.runtime.errors).toEqual([]);
    uploader.destroy();
    expectInvariants(world);
  });
});
