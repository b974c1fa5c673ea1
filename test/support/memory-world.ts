import { expect } from 'vitest';
import type { UploaderOptions } from '../../src/create-uploader.ts';
import {
  checkInvariants,
  type FaultServerState,
  type InvariantCheck,
} from '../../src/testing/client.ts';
import type { BackendFaults, MemoryBackend } from './memory-backend.ts';
import { expectHonestRun, type RunWatch, watchRun } from './run-watch.ts';
import { createWorld, expectInvariants, textChecksum, type World } from './uploader-world.ts';

/** A world on virtual time that is held to all invariants. */
export interface MemoryWorld extends World {
  readonly run: RunWatch;
  statuses(): Record<string, number>;
  /** When requests of one kind came, between two instants. */
  timesOf(route: 'credentials' | 'put' | 'finalize', fromMs?: number, toMs?: number): number[];
  /** I1 to I9. */
  verify(check?: Partial<InvariantCheck>): Promise<void>;
}

export function createMemoryWorld(
  faults: BackendFaults | ((world: World) => BackendFaults) = {},
  options: Parameters<typeof createWorld>[1] & Partial<UploaderOptions> = {},
): MemoryWorld {
  const live: BackendFaults = {};
  const world = createWorld(live, options);
  Object.assign(live, typeof faults === 'function' ? faults(world) : faults);
  const run = watchRun(world.uploader);
  const { uploader, backend } = world;
  return {
    ...world,
    run,
    statuses() {
      const { byStatus } = uploader.getSnapshot();
      return Object.fromEntries(Object.entries(byStatus).filter(([, count]) => count > 0));
    },
    timesOf: (route, fromMs = 0, toMs = Number.POSITIVE_INFINITY) =>
      backend.requests
        .filter((request) => request.route === route)
        .map(({ atMs }) => atMs)
        .filter((atMs) => atMs >= fromMs && atMs < toMs),
    async verify(check = {}) {
      expectInvariants(world);
      const uploads = [...uploader.uploads()];
      const texts = run.texts();
      const server = await stateOf(backend);
      expect(checkInvariants({ uploads, server, texts, ...check })).toEqual([]);
      expect(texts.filter((text) => text.includes('memory:'))).toEqual([]);
      expectHonestRun(uploader, run);
    },
  };
}

/** What the backend holds, as a fault server would tell it. */
async function stateOf(backend: MemoryBackend): Promise<FaultServerState> {
  const reservations = [...backend.reservations.values()];
  const nameOf = new Map(reservations.map(({ assetId, name }) => [assetId, name]));
  const objects = [...backend.bodies].map(async ([key, body]) => {
    const checksum = textChecksum(await body.text());
    return { key, sizeBytes: body.size, checksum, contentType: '', etag: '' };
  });
  return {
    requests: backend.requests.map((request, at) => ({
      ...{ n: at + 1, route: request.route, method: '', path: '', atMs: request.atMs },
      ...{ endedAtMs: request.endedAtMs ?? null, concurrency: 0, key: request.key ?? null },
      ...{ filenames: [], receivedBytes: request.sizeBytes ?? 0, status: request.status ?? null },
      ...{ retryAfterMs: request.retryAfterMs ?? null, faults: [], headers: {} },
    })),
    objects: await Promise.all(objects),
    assets: [...backend.library].map(([checksum, id]) => ({
      ...{ id, clientId: '', filename: nameOf.get(id) ?? id, path: null, mimeType: '', checksum },
      ...{ sizeBytes: backend.objects.get(id) ?? 0, key: id, createdAt: '', version: 1, runs: 1 },
      ...{ stage: backend.stageOf(id), error: null },
    })),
    reservations: reservations.map(({ assetId, clientId, name, sizeBytes, checksum }) => {
      const rest = { filename: name, sizeBytes, checksum, key: assetId, finalizedAs: null };
      return { assetId, clientId, ...rest };
    }),
    putCounts: Object.fromEntries(backend.puts),
    streams: backend.watchers,
  };
}
