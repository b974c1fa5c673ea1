import type { Hasher, PutRequest, UploadAdapter } from 'bulkhead';

/** A backend that costs nothing, so that what is measured is the uploader. */
export interface IdleStore {
  readonly adapter: UploadAdapter;
  /** No file is read: a checksum of its own for each. */
  readonly hasher: Hasher;
  /** Every PUT that has begun. */
  readonly puts: readonly PutRequest[];
  /** When the first began, by `performance.now()`. */
  firstPutMs(): number | undefined;
}

/** @param isAnswering false: no PUT ever ends */
export function createIdleStore({ isAnswering }: { isAnswering: boolean }): IdleStore {
  const nextTask = createTaskQueue();
  const puts: PutRequest[] = [];
  let firstPutMs: number | undefined;
  let checksums = 0;
  return {
    puts,
    firstPutMs: () => firstPutMs,
    hasher: {
      async hash() {
        await nextTask();
        checksums += 1;
        return checksums.toString(16).padStart(64, '0');
      },
    },
    adapter: {
      name: 'idle',
      capabilities: { maxConcurrency: 6, maxBatchFiles: 200, checksum: 'sha256' },
      async credentials(files) {
        await nextTask();
        return files.map(({ id }) => ({ status: 'granted', credential: credentialOf(id) }));
      },
      async put(request) {
        firstPutMs ??= performance.now();
        puts.push(request);
        await (isAnswering ? nextTask() : new Promise(() => {}));
        return 'stored';
      },
      async finalize(items) {
        await nextTask();
        return items.map(({ assetId }) => ({
          status: 'finalized',
          asset: { id: assetId, blobUrl: '', isDuplicate: false, needsProcessing: false },
        }));
      },
    },
  };
}

function credentialOf(assetId: string) {
  return {
    uploadUrl: 'https://store.invalid/',
    assetId,
    pathname: assetId,
    method: 'PUT',
    headers: {},
    expiresAt: '2100-01-01T00:00:00.000Z',
    expiresInMs: 3_600_000,
  } as const;
}

/** Answers come in tasks of their own, as from a network; microtasks would all run as one. */
function createTaskQueue(): () => Promise<void> {
  const { port1, port2 } = new MessageChannel();
  const waiting: (() => void)[] = [];
  port1.onmessage = () => waiting.shift()?.();
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      port2.postMessage(null);
    });
}
