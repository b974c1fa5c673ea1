import { describe, expect, it } from 'vitest';
import { isEnded } from '../../src/core/upload-state.ts';
import { UploadError } from '../../src/errors/upload-error.ts';
import { type BackendFaults, MemoryBackend } from '../support/memory-backend.ts';
import { MemoryBrowser } from '../support/memory-browser.ts';
import { textFiles } from '../support/uploader-world.ts';
import { VirtualRuntime } from '../support/virtual-runtime.ts';

const FILES = 12;

/** A page that dies amid its PUTs, before it wrote down what came of them; another one goes on. */
async function resumeAfterCrash(reconcile: BackendFaults['reconcile'], maxBatchFiles = 500) {
  const runtime = new VirtualRuntime();
  const backend = new MemoryBackend(runtime, reconcile ? { reconcile } : {}, { putLatencyMs: 300 });
  const browser = new MemoryBrowser(runtime);
  const adapter = backend.adapter({ maxConcurrency: 3 });
  const capabilities = { ...adapter.capabilities, maxBatchFiles };
  const first = browser.open(adapter);
  void first.uploader.add(textFiles(FILES));
  await runtime.advance(600);
  first.stopWriting();
  await runtime.advance(600);
  first.kill();
  const stored = backend.objects.size;
  expect(stored).toBeGreaterThan(0);
  expect(stored).toBeLessThan(FILES);

  const second = browser.open({ ...adapter, capabilities }, { resume: 'auto' });
  await runtime.advance(20_000);
  await second.uploader.add(textFiles(FILES));
  const uploads = () => [...second.uploader.uploads()];
  await runtime.advance(10 * 60_000, () => uploads().every(({ status }) => isEnded(status)));
  await runtime.advance(2_000);
  const statuses = uploads().map(({ status }) => status);
  second.uploader.destroy();
  const requestsOf = (route: string) => backend.requests.filter((sent) => sent.route === route);
  expect(runtime.errors).toEqual([]);
  expect([backend.library.size, backend.objects.size]).toEqual([FILES, FILES]);
  expect(statuses).toEqual(Array(FILES).fill('searchable'));
  return { reconciles: requestsOf('reconcile'), puts: requestsOf('put') };
}

describe('a page that resumes', () => {
  it('asks once, and sends nothing that is stored', async () => {
    const { reconciles, puts } = await resumeAfterCrash(undefined);
    expect(reconciles).toHaveLength(1);
    const stored = puts.filter(({ status }) => status === 200);
    expect(stored).toHaveLength(FILES);
    expect(puts.filter(({ status }) => status === 412)).toEqual([]);
  });

  it('asks in batches of what the adapter takes', async () => {
    const asked: number[] = [];
    await resumeAfterCrash((files) => void asked.push(files.length), 5);
    expect(asked.length).toBeGreaterThan(1);
    expect(Math.max(...asked)).toBeLessThanOrEqual(5);
  });

  it.each<[string, NonNullable<BackendFaults['reconcile']>]>([
    [
      'is refused an answer',
      () => {
        throw new UploadError('unavailable', 'busy', { status: 503 });
      },
    ],
    [
      'gets no answer',
      (_, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reject(new UploadError('cancelled', 'The request was cancelled.'));
          });
        }),
    ],
  ])('loses nothing when it %s', async (_, reconcile) => {
    const { reconciles } = await resumeAfterCrash(reconcile);
    expect(reconciles.length).toBeGreaterThan(0);
  });
});
