import { describe, expect, it } from 'vitest';
import { isEnded, type Upload } from '../../src/core/upload-state.ts';
import { UploadError } from '../../src/errors/upload-error.ts';
import { seededRandom } from '../sim/random.ts';
import { createWorld, type World } from '../support/uploader-world.ts';

const RUNS = 150;
const STEPS = 40;

const FAILURES = [
  () => new UploadError('network_failed', 'gone'),
  () => new UploadError('internal', 'boom', { status: 500 }),
  () => new UploadError('unavailable', 'later', { status: 503, retryAfterMs: 800 }),
  () => new UploadError('rate_limited', 'slow', { status: 429, retryAfterMs: 500 }),
  () => new UploadError('url_expired', 'late', { status: 403 }),
  () => new UploadError('unauthenticated', 'who', { status: 401 }),
  () => new UploadError('size_mismatch', 'other', { status: 400 }),
];

/** A backend on which everything goes wrong now and then, until it is mended. */
function troubledWorld(seed: number, random: () => number): { world: World; mend: () => void } {
  let isMended = false;
  const happens = (share: number) => !isMended && random() < share;
  const fail = (share: number) => {
    if (happens(share)) throw FAILURES[Math.floor(random() * FAILURES.length)]?.();
  };
  const world = createWorld(
    {
      credentials: () => fail(0.15),
      connect: () => fail(0.05),
      put: () => fail(0.2),
      putStored: () => (happens(0.1) ? 'lost' : undefined),
      finalize: () => fail(0.15),
      finalized: () => fail(0.1),
      processing: () => (happens(0.1) ? 'failed' : undefined),
    },
    {
      seed,
      backend: { putLatencyMs: 200, credentialTtlMs: random() < 0.3 ? 15_400 : 300_000 },
    },
  );
  return { world, mend: () => (isMended = true) };
}

/** A person who does anything at any time. */
async function use({ uploader, runtime }: World, random: () => number): Promise<void> {
  const batches: string[] = [];
  let added = 0;
  for (let step = 0; step < STEPS; step += 1) {
    const uploads = [...uploader.uploads()];
    const upload: Upload | undefined = uploads[Math.floor(random() * uploads.length)];
    const batchId = batches[Math.floor(random() * batches.length)];
    const id = upload?.id ?? '';
    const target = batchId !== undefined && random() < 0.3 ? { batchId } : { id };
    const acts: readonly (() => void)[] = [
      () => {
        const files = Array.from({ length: 1 + Math.floor(random() * 12) }, () => {
          added += 1;
          const text = `picture ${Math.floor(random() * 25)}`;
          return new File([text], `${added}.jpg`, { type: 'image/jpeg', lastModified: added });
        });
        void uploader.add(files).then((result) => batches.push(result.batchId));
      },
      () => uploader.pause(target),
      () => uploader.resume(target),
      () => uploader.pause(),
      () => uploader.resume(),
      () => uploader.abort(target),
      () => uploader.boost(target),
      () => uploader.retry(id),
      () => uploader.deadLetters.redrive('all'),
      () => uploader.deadLetters.clear(),
    ];
    const likely = random() < 0.25 ? 0 : Math.floor(random() * acts.length);
    acts[likely]?.();
    await runtime.advance(Math.floor(random() * 600));
  }
}

describe('whatever a person does while whatever goes wrong', () => {
  it.each(Array.from({ length: RUNS }, (_, index) => index + 1))(
    'every file ends, with its own asset, and the counts are true (seed %i)',
    async (seed) => {
      const random = seededRandom(seed * 7_919);
      const { world, mend } = troubledWorld(seed, random);
      const { uploader, runtime, backend } = world;
      await use(world, random);
      mend();
      uploader.resume();
      let isDone = false;
      void uploader.done().then(() => {
        isDone = true;
      });
      await runtime.advance(3_600_000, () => isDone);
      await runtime.advance(500);

      const uploads = [...uploader.uploads()];
      expect(isDone).toBe(true);
      expect(uploads.filter(({ status }) => !isEnded(status))).toEqual([]);
      for (const upload of uploads) {
        if ('assetId' in upload) expect(backend.library.get(upload.checksum)).toBe(upload.assetId);
      }
      const { byStatus, state, sentBytes, totalBytes } = uploader.getSnapshot();
      expect(Object.values(byStatus).reduce((sum, count) => sum + count, 0)).toBe(uploads.length);
      expect({ state, watchers: backend.watchers }).toEqual({ state: 'idle', watchers: 0 });
      expect(sentBytes).toBeLessThanOrEqual(totalBytes);
      expect(runtime.errors).toEqual([]);
      uploader.destroy();
    },
  );
});
