import { expect } from 'vitest';
import { isEnded } from '../../src/core/upload-state.ts';
import type { Uploader } from '../../src/core/uploader.ts';
import { createUploader, type UploaderOptions } from '../../src/create-uploader.ts';
import type { Hasher } from '../../src/hashing/hasher.ts';
import type { PackLimits } from '../../src/protocol/index.ts';
import { type BackendFaults, MemoryBackend } from './memory-backend.ts';
import { VirtualRuntime } from './virtual-runtime.ts';

export interface World {
  readonly runtime: VirtualRuntime;
  readonly backend: MemoryBackend;
  readonly uploader: Uploader;
  /** Moves time on until every upload ended and the page would show so. */
  finish(limitMs?: number): Promise<void>;
}

/** SHA-256's shape: equal text gives an equal checksum. */
export function textChecksum(text: string): string {
  const bytes = Array.from(new TextEncoder().encode(text));
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.padEnd(64, '0').slice(0, 64);
}

/** {@link textChecksum} on virtual time. */
export function textHasher(runtime: VirtualRuntime): Hasher {
  return {
    async hash(file) {
      const text = await file.text();
      await runtime.sleep(2);
      return textChecksum(text);
    },
    async hashAndKeep(file) {
      const bytes = await file.arrayBuffer();
      await runtime.sleep(2);
      return { checksum: textChecksum(new TextDecoder().decode(bytes)), bytes };
    },
  };
}

export function createWorld(
  faults: BackendFaults = {},
  options: Partial<UploaderOptions> & {
    seed?: number;
    backend?: { putLatencyMs?: number; credentialTtlMs?: number; finalizeLatencyMs?: number };
    maxConcurrency?: number;
    reachable?: boolean;
    pack?: PackLimits;
  } = {},
): World {
  const { seed, backend: backendOptions, maxConcurrency, reachable, pack, ...rest } = options;
  const runtime = new VirtualRuntime(seed);
  const backend = new MemoryBackend(runtime, faults, backendOptions);
  const uploader = createUploader({
    adapter: backend.adapter({
      ...(maxConcurrency === undefined ? {} : { maxConcurrency }),
      ...(reachable === undefined ? {} : { reachable }),
      ...(pack === undefined ? {} : { pack }),
    }),
    runtime,
    hasher: textHasher(runtime),
    ...rest,
  });
  let openId = '';
  /** It is asked at every moment: one that had not ended is looked at before all of them are. */
  const isDone = () => {
    const open = uploader.get(openId);
    if (open && !isEnded(open.status)) return false;
    openId = '';
    for (const { id, status } of uploader.uploads()) if (!isEnded(status)) openId = id;
    return openId === '';
  };
  return {
    runtime,
    backend,
    uploader,
    async finish(limitMs = 30 * 60_000) {
      await runtime.advance(limitMs, isDone);
      await runtime.advance(500);
    },
  };
}

/** Distinct files, `text` making their contents. */
export function textFiles(count: number, text = (index: number) => `photo ${index}`): File[] {
  return Array.from(
    { length: count },
    (_, index) =>
      new File([text(index)], `photo-${index}.jpg`, { type: 'image/jpeg', lastModified: index }),
  );
}

/** What must hold after every run, whatever went wrong on the way. */
export function expectInvariants({ uploader, backend, runtime }: World): void {
  const uploads = [...uploader.uploads()];
  expect(uploads.filter(({ status }) => !isEnded(status))).toEqual([]);
  const snapshot = uploader.getSnapshot();
  const byStatus = Object.values(snapshot.byStatus).reduce((sum, count) => sum + count, 0);
  expect(byStatus).toBe(uploads.length);
  expect(snapshot.sentBytes).toBeLessThanOrEqual(snapshot.totalBytes);
  const stored = new Set(
    uploads.flatMap((upload) => ('assetId' in upload ? [upload.assetId] : [])),
  );
  expect(new Set(backend.library.values())).toEqual(stored);
  expect(backend.maxConcurrentPuts).toBeLessThanOrEqual(6);
  expect(runtime.errors).toEqual([]);
  expect(backend.watchers).toBe(0);
}
