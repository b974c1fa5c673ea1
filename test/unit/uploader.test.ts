import { describe, expect, it } from 'vitest';
import type { UploaderEvent } from '../../src/core/types.ts';
import { createUploader } from '../../src/create-uploader.ts';
import { UploadError } from '../../src/errors/upload-error.ts';
import { MemoryBackend } from '../support/memory-backend.ts';
import { createWorld, expectInvariants, textFiles, type World } from '../support/uploader-world.ts';
import { VirtualRuntime } from '../support/virtual-runtime.ts';

const statusesOf = ({ uploader }: World) => [...uploader.uploads()].map(({ status }) => status);
const network = () => new UploadError('network_failed', 'gone');

describe('the way of an upload', () => {
  it('takes 2,000 files to searchable, each stored once, in about one request a file', async () => {
    const world = createWorld();
    const result = await world.uploader.add(textFiles(2_000));
    await world.finish();
    expect(result).toMatchObject({ added: 2_000, refused: 0, repeated: 0 });
    expect(new Set(statusesOf(world))).toEqual(new Set(['searchable']));
    expect(world.backend.library.size).toBe(2_000);
    const { backend } = world;
    expect(Math.max(...backend.puts.values())).toBe(1);
    expect(backend.credentialCalls + backend.finalizeCalls).toBeLessThan(120);
    expect(backend.maxConcurrentPuts).toBe(6);
    expectInvariants(world);
  });

  it('shows three stages as counts that only grow', async () => {
    const world = createWorld();
    const seen: number[][] = [];
    world.uploader.subscribe(() => {
      const { uploaded, processed, searchable, sentBytes } = world.uploader.getSnapshot();
      seen.push([uploaded, processed, searchable, sentBytes]);
    });
    await world.uploader.add(textFiles(300));
    await world.finish();
    for (const [index, counts] of seen.entries()) {
      const before = seen[index - 1] ?? [0, 0, 0, 0];
      counts.forEach((count, stage) => {
        expect(count).toBeGreaterThanOrEqual(before[stage] ?? 0);
      });
    }
    expect(world.uploader.getSnapshot()).toMatchObject({
      state: 'idle',
      total: 300,
      uploaded: 300,
      processed: 300,
      searchable: 300,
      failed: 0,
    });
    expectInvariants(world);
  });

  it('gives way to the page while it takes thousands of files in', async () => {
    // Every look at the clock takes a tenth of a millisecond: as if each file took that long.
    class SlowRuntime extends VirtualRuntime {
      yields = 0;
      #lookedMs = 0;
      override now(): number {
        this.#lookedMs += 0.1;
        return super.now() + this.#lookedMs;
      }
      override async yieldToPage(): Promise<void> {
        this.yields += 1;
      }
    }
    const runtime = new SlowRuntime();
    const uploader = createUploader({
      adapter: new MemoryBackend(runtime).adapter(),
      runtime,
      autoStart: false,
    });
    await uploader.add(textFiles(5_000));
    // Half a second's work in slices of at most 12 ms.
    expect(runtime.yields).toBeGreaterThanOrEqual(40);
    uploader.destroy();
  });

  it('has the file of an upload at hand for a preview until it is stored', async () => {
    const world = createWorld({}, { autoStart: false });
    const [file] = textFiles(1);
    await world.uploader.add(file ? [file] : []);
    const [upload] = [...world.uploader.uploads()];
    expect(world.uploader.fileOf(upload?.id ?? '')).toBe(file);
    expect(world.uploader.fileOf('nobody')).toBeUndefined();
    world.uploader.start();
    await world.finish();
    expect(world.uploader.fileOf(upload?.id ?? '')).toBeUndefined();
    expectInvariants(world);
  });

  it('keeps the snapshot the same object until something changed', async () => {
    const world = createWorld();
    const before = world.uploader.getSnapshot();
    expect(world.uploader.getSnapshot()).toBe(before);
    await world.uploader.add(textFiles(1));
    await world.finish();
    expect(world.uploader.getSnapshot()).not.toBe(before);
    expect(Object.isFrozen(world.uploader.getSnapshot())).toBe(true);
  });

  it('tells every change as an event, without a URL in any of them', async () => {
    const world = createWorld();
    const events: UploaderEvent[] = [];
    const types = [
      'upload-added',
      'upload-changed',
      'upload-finalized',
      'uploads-drained',
    ] as const;
    for (const type of types) world.uploader.on(type, (event) => events.push(event));
    await world.uploader.add(textFiles(3));
    await world.finish();
    expect(events.filter(({ type }) => type === 'upload-finalized')).toHaveLength(3);
    expect(events.filter(({ type }) => type === 'uploads-drained')).toHaveLength(1);
    expect(JSON.stringify(events)).not.toContain('memory:');
  });

  it('goes on when a listener throws, and reports it', async () => {
    const world = createWorld();
    world.uploader.on('upload-changed', () => {
      throw new Error('broken listener');
    });
    await world.uploader.add(textFiles(2));
    await world.finish();
    expect(new Set(statusesOf(world))).toEqual(new Set(['searchable']));
    expect(world.runtime.errors).not.toEqual([]);
  });
});

describe('files that are there already', () => {
  it('takes the same file only once', async () => {
    const world = createWorld();
    const files = textFiles(3);
    await world.uploader.add(files);
    expect(await world.uploader.add(files)).toMatchObject({ added: 0, repeated: 3 });
    await world.finish();
    expect(world.backend.library.size).toBe(3);
    expectInvariants(world);
  });

  it('sends the bytes of equal files once and calls the others duplicates', async () => {
    const world = createWorld();
    await world.uploader.add(textFiles(20, (index) => `same ${index % 5}`));
    await world.finish();
    expect(statusesOf(world).filter((status) => status === 'searchable')).toHaveLength(5);
    expect(statusesOf(world).filter((status) => status === 'duplicate')).toHaveLength(15);
    expect([...world.backend.puts.values()]).toEqual([1, 1, 1, 1, 1]);
    expectInvariants(world);
  });

  it('lets the next of equal files go first when the first is cancelled', async () => {
    const world = createWorld();
    await world.uploader.add(textFiles(2, () => 'same'));
    await world.runtime.advance(25);
    const [first] = world.uploader.uploads();
    if (first) world.uploader.abort({ id: first.id });
    await world.finish();
    expect(statusesOf(world)).toEqual(['cancelled', 'searchable']);
    expectInvariants(world);
  });

  it('finds what an earlier session stored, without sending it', async () => {
    const world = createWorld();
    await world.uploader.add(textFiles(4));
    await world.finish();
    const again = createWorld();
    for (const [checksum, asset] of world.backend.library) {
      again.backend.library.set(checksum, asset);
    }
    await again.uploader.add(textFiles(4));
    await again.finish();
    expect(new Set(statusesOf(again))).toEqual(new Set(['duplicate']));
    expect(again.backend.puts.size).toBe(0);
    expect(again.uploader.getSnapshot()).toMatchObject({
      uploaded: 4,
      searchable: 4,
      duplicates: 4,
    });
  });
});

describe('failures', () => {
  it('retries a dropped PUT of that file only', async () => {
    const world = createWorld({
      put: (key, attempt) => {
        if (key === 'asset-3' && attempt < 3) throw network();
      },
    });
    await world.uploader.add(textFiles(10));
    await world.finish();
    expect(new Set(statusesOf(world))).toEqual(new Set(['searchable']));
    expect(world.backend.puts.get('asset-3')).toBe(3);
    expectInvariants(world);
  });

  it('gives up a PUT after five attempts and lets a person retry it', async () => {
    let isBroken = true;
    const world = createWorld({
      put: (key) => {
        if (isBroken && key === 'asset-2')
          throw new UploadError('internal', 'boom', { status: 500 });
      },
    });
    await world.uploader.add(textFiles(30));
    await world.finish();
    expect(world.backend.puts.get('asset-2')).toBe(5);
    expect(world.uploader.failures()).toMatchObject([
      { status: 'dead', failure: { code: 'internal' } },
    ]);
    isBroken = false;
    expect(world.uploader.retryAll()).toBe(1);
    await world.finish();
    expect(world.uploader.failures()).toEqual([]);
    expect(world.backend.library.size).toBe(30);
    expectInvariants(world);
  });

  it('does not retry what the server refuses', async () => {
    const world = createWorld({
      credentials: () => {
        throw new UploadError('invalid_request', 'bad name');
      },
    });
    await world.uploader.add(textFiles(1));
    await world.finish();
    expect(world.backend.credentialCalls).toBe(1);
    expect(statusesOf(world)).toEqual(['dead']);
  });

  it('finds out about a PUT whose answer was lost by finalizing, not by sending again', async () => {
    const world = createWorld({
      putStored: (key, attempt) => (key === 'asset-1' && attempt === 1 ? 'lost' : undefined),
    });
    await world.uploader.add(textFiles(3));
    await world.finish();
    expect(new Set(statusesOf(world))).toEqual(new Set(['searchable']));
    expect(world.backend.puts.get('asset-1')).toBe(1);
    expectInvariants(world);
  });

  it('sends again what the store turns out not to have', async () => {
    const world = createWorld({
      putStored: (key, attempt) => {
        if (key !== 'asset-1' || attempt > 1) return undefined;
        world.backend.objects.delete(key);
        return 'lost';
      },
    });
    await world.uploader.add(textFiles(3));
    await world.finish();
    expect(new Set(statusesOf(world))).toEqual(new Set(['searchable']));
    expect(world.backend.puts.get('asset-1')).toBe(2);
    expectInvariants(world);
  });

  it('takes a create-only conflict for what it is: stored', async () => {
    const world = createWorld({
      putStored: (key, attempt) => {
        if (key === 'asset-1' && attempt === 1) throw new UploadError('internal', 'late 500');
        return undefined;
      },
    });
    await world.uploader.add(textFiles(3));
    await world.finish();
    expect(new Set(statusesOf(world))).toEqual(new Set(['searchable']));
    expectInvariants(world);
  });

  it('repeats a finalize whose answer was lost, and one asset results', async () => {
    const world = createWorld({
      finalized: (call) => {
        if (call === 1) throw network();
      },
    });
    await world.uploader.add(textFiles(5));
    await world.finish();
    expect(new Set(statusesOf(world))).toEqual(new Set(['searchable']));
    expect(world.backend.library.size).toBe(5);
    expectInvariants(world);
  });

  it('renews credentials that expired while they waited, at no cost in attempts', async () => {
    const world = createWorld({}, { backend: { putLatencyMs: 8_000, credentialTtlMs: 20_000 } });
    await world.uploader.add(textFiles(40));
    await world.finish();
    expect(new Set(statusesOf(world))).toEqual(new Set(['searchable']));
    for (const upload of world.uploader.uploads()) expect(upload.attempts.put).toBe(0);
    expectInvariants(world);
  });

  it('gets a new credential when the store says the old one expired', async () => {
    const world = createWorld({
      put: (key, attempt) => {
        if (key === 'asset-1' && attempt === 1) throw new UploadError('url_expired', 'late');
      },
    });
    await world.uploader.add(textFiles(3));
    await world.finish();
    expect(new Set(statusesOf(world))).toEqual(new Set(['searchable']));
    expectInvariants(world);
  });

  it('says that a file changed when the store finds other bytes, and hashes it anew on retry', async () => {
    const world = createWorld({
      put: (key, attempt) => {
        if (key === 'asset-1' && attempt === 1) throw new UploadError('checksum_mismatch', 'other');
      },
    });
    await world.uploader.add(textFiles(3));
    await world.finish();
    expect(world.uploader.failures()).toMatchObject([{ failure: { code: 'file_changed' } }]);
    world.uploader.retryAll();
    await world.finish();
    expect(new Set(statusesOf(world))).toEqual(new Set(['searchable']));
    expectInvariants(world);
  });

  it('blames the file, not the network, when it can no longer be read', async () => {
    const world = createWorld({
      put: () => {
        throw network();
      },
    });
    const [file] = textFiles(1);
    if (!file) throw new Error('no file');
    await world.uploader.add([file]);
    await world.runtime.advance(10);
    const gone = () => Promise.reject(new DOMException('gone', 'NotFoundError'));
    Object.defineProperty(file, 'slice', { value: () => ({ arrayBuffer: gone }) });
    await world.finish();
    expect(world.uploader.failures()).toMatchObject([{ failure: { code: 'file_unreadable' } }]);
    expect(world.backend.putTimes).toHaveLength(1);
  });

  it('stops asking for credentials when the store refuses the file for good', async () => {
    const world = createWorld({
      put: (key) => {
        if (key === 'asset-1') throw new UploadError('url_invalid', 'denied');
      },
    });
    await world.uploader.add(textFiles(3));
    await world.finish();
    expect(world.backend.puts.get('asset-1')).toBe(2);
    expect(world.uploader.failures()).toMatchObject([{ failure: { code: 'url_invalid' } }]);
  });

  it('waits as long as a rate limit asks, with no request meanwhile and no attempt spent', async () => {
    const calls: number[] = [];
    const world: World = createWorld({
      credentials: (_files, call) => {
        calls.push(world.runtime.now());
        if (call === 2) {
          throw new UploadError('rate_limited', 'slow down', { status: 429, retryAfterMs: 7_000 });
        }
      },
    });
    await world.uploader.add(textFiles(100));
    await world.finish();
    expect((calls[2] ?? 0) - (calls[1] ?? 0)).toBeGreaterThanOrEqual(7_000);
    expect(new Set(statusesOf(world))).toEqual(new Set(['searchable']));
    for (const upload of world.uploader.uploads()) expect(upload.attempts.credentials).toBe(0);
    expectInvariants(world);
  });

  it('shows a rate limit as the reason to wait', async () => {
    const world = createWorld({
      credentials: (_files, call) => {
        if (call === 1) throw new UploadError('rate_limited', 'slow down', { retryAfterMs: 9_000 });
      },
    });
    await world.uploader.add(textFiles(5));
    await world.runtime.advance(2_000);
    const { state, wait } = world.uploader.getSnapshot();
    expect(state).toBe('waiting');
    expect(wait?.kind).toBe('rate_limit');
    expect((wait?.untilMs ?? 0) - world.runtime.epochNow()).toBeGreaterThan(6_000);
    await world.finish();
    expectInvariants(world);
  });

  it('outlives an outage of ten minutes of the store without failing one file', async () => {
    const world: World = createWorld({
      put: () => {
        if (world.runtime.now() > 500 && world.runtime.now() < 600_000) throw network();
      },
    });
    await world.uploader.add(textFiles(200));
    await world.finish();
    expect(new Set(statusesOf(world))).toEqual(new Set(['searchable']));
    const during = world.backend.putTimes.filter((at) => at > 5_000 && at < 600_000);
    expect(during.length).toBeLessThan(60);
    expectInvariants(world);
  });

  it('outlives an outage of ten minutes of the server without failing one file', async () => {
    const fail = () => {
      if (world.runtime.now() > 100 && world.runtime.now() < 600_000) throw network();
    };
    const world: World = createWorld({ credentials: fail, finalize: fail });
    await world.uploader.add(textFiles(200));
    await world.finish();
    expect(new Set(statusesOf(world))).toEqual(new Set(['searchable']));
    expectInvariants(world);
  });

  it('goes on at once when the browser says that it is online again', async () => {
    let isDown = true;
    const world = createWorld({
      put: () => {
        if (isDown) throw network();
      },
    });
    world.runtime.setOnline(false);
    await world.uploader.add(textFiles(20));
    await world.runtime.advance(120_000);
    expect(world.uploader.getSnapshot()).toMatchObject({
      state: 'waiting',
      wait: { kind: 'network' },
    });
    isDown = false;
    world.runtime.setOnline(true);
    await world.runtime.advance(3_000);
    expect(world.uploader.getSnapshot().uploaded).toBe(20);
    await world.finish();
    for (const upload of world.uploader.uploads()) expect(upload.attempts.put).toBe(0);
    expectInvariants(world);
  });
});

describe('a person’s hand', () => {
  it('starts nothing while paused and goes on when resumed', async () => {
    const world = createWorld();
    await world.uploader.add(textFiles(100));
    await world.runtime.advance(200);
    world.uploader.pause();
    await world.runtime.advance(1_000);
    const { uploaded } = world.uploader.getSnapshot();
    const puts = world.backend.putTimes.length;
    await world.runtime.advance(60_000);
    expect(world.backend.putTimes.length).toBe(puts);
    expect(world.uploader.getSnapshot()).toMatchObject({ state: 'paused', uploaded });
    world.uploader.resume();
    await world.finish();
    expect(new Set(statusesOf(world))).toEqual(new Set(['searchable']));
    expectInvariants(world);
  });

  it('does nothing before start() when it does not start by itself', async () => {
    const world = createWorld({}, { autoStart: false });
    await world.uploader.add(textFiles(3));
    await world.runtime.advance(10_000);
    expect(world.backend.credentialCalls).toBe(0);
    world.uploader.start();
    await world.finish();
    expect(new Set(statusesOf(world))).toEqual(new Set(['searchable']));
  });

  it('cancels what is not stored and keeps what is', async () => {
    const world = createWorld();
    await world.uploader.add(textFiles(500));
    await world.runtime.advance(800);
    world.uploader.abort();
    await world.finish();
    const { byStatus } = world.uploader.getSnapshot();
    expect(byStatus.cancelled).toBeGreaterThan(0);
    expect(byStatus.searchable).toBeGreaterThan(0);
    expect(byStatus.cancelled + byStatus.searchable).toBe(500);
  });

  it('takes a cancelled file up again when it is added again', async () => {
    const world = createWorld();
    const files = textFiles(3);
    await world.uploader.add(files);
    world.uploader.abort();
    await world.finish();
    await world.uploader.add(files);
    await world.finish();
    expect(statusesOf(world)).toEqual(['searchable', 'searchable', 'searchable']);
    expectInvariants(world);
  });
});

describe('processing', () => {
  it('shows what failed in processing, and the server tries again when asked', async () => {
    const world = createWorld({
      processing: (checksum) => (checksum.startsWith('70686f746f2031') ? 'failed' : undefined),
    });
    await world.uploader.add(textFiles(2));
    await world.finish();
    const [failed] = world.uploader.failures();
    expect(failed).toMatchObject({
      status: 'processing-failed',
      failure: { code: 'processing_failed' },
    });
    expect(world.uploader.retry(failed?.id ?? '')).toBe(true);
    await world.runtime.advance(100);
    await world.finish();
    expect(statusesOf(world)).toEqual(['searchable', 'searchable']);
  });

  it('asks for what a silent stream did not tell', async () => {
    const world = createWorld();
    await world.uploader.add(textFiles(5));
    await world.runtime.advance(20);
    world.backend.dropStream();
    await world.finish();
    expect(new Set(statusesOf(world))).toEqual(new Set(['searchable']));
    expectInvariants(world);
  });
});

describe('restrictions', () => {
  it('refuses at once, in words, and the others go on', async () => {
    const world = createWorld(
      {},
      { restrictions: { maxFileSizeBytes: 20, allowedTypes: ['image/*', '.heic'] } },
    );
    const result = await world.uploader.add([
      new File(['x'.repeat(21)], 'large.jpg', { type: 'image/jpeg' }),
      new File([], 'empty.jpg', { type: 'image/jpeg' }),
      new File(['text'], 'notes.txt', { type: 'text/plain' }),
      new File(['heic'], 'phone.HEIC'),
      ...textFiles(2),
    ]);
    expect(result).toMatchObject({ added: 3, refused: 3, repeated: 0 });
    await world.finish();
    const messages = [...world.uploader.uploads()].flatMap((upload) =>
      upload.status === 'rejected' ? [`${upload.failure.code}: ${upload.failure.message}`] : [],
    );
    expect(messages).toEqual([
      'file_too_large: The file has 21 bytes; the most is 20 bytes.',
      'empty_file: The file is empty.',
      'unsupported_type: Files of type text/plain are not taken; allowed: image/*, .heic.',
    ]);
    expect(world.uploader.getSnapshot()).toMatchObject({ total: 3, searchable: 3, failed: 3 });
  });

  it('names an unknown option', () => {
    expect(() => createWorld({}, { concurency: 3 } as object)).toThrow(
      'createUploader.concurency: there is no such option',
    );
  });
});

describe('a file whose bytes the store lost', () => {
  it('is sent again when it is added again, and its asset is whole', async () => {
    let isLost = true;
    const world = createWorld({ processing: () => (isLost ? 'lost' : undefined) });
    const [file] = textFiles(1);
    await world.uploader.add([file as File]);
    await world.finish();
    const [lost] = world.uploader.failures();
    expect(lost).toMatchObject({ failure: { code: 'missing_blob' } });
    expect(world.backend.library.size).toBe(0);

    isLost = false;
    expect(await world.uploader.add([file as File])).toMatchObject({ added: 0, repeated: 1 });
    await world.finish();
    expect(statusesOf(world)).toEqual(['searchable']);
    expect(world.backend.library.size).toBe(1);
    expectInvariants(world);
  });
});
