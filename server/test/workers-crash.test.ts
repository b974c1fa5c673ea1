import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, it, vi } from 'vitest';
import { fastFolder } from '../../test/support/fast-folder.ts';
import { finalizeUpload } from './fixtures/assets.ts';
import { copyEmbedded } from './fixtures/embedded-copies.ts';
import { photo } from './fixtures/images.ts';
import { openWorkerBench } from './fixtures/worker-bench.ts';

const IMAGES = 30;
let dir: string;
const children = new Set<ChildProcess>();
beforeEach(async () => {
  dir = await mkdtemp(join(await fastFolder(), 'bulkhead-crash-'));
});
afterEach(async () => {
  // Only after a failure is one left.
  for (const child of children) child.kill('SIGKILL');
  await rm(dir, { recursive: true, force: true });
});

/** Runs the workers in a process of their own until they kill themselves. */
async function runUntilKilled(dieAtWrite: number): Promise<NodeJS.Signals | null> {
  const script = join(import.meta.dirname, 'fixtures/worker-process.ts');
  const args = ['--conditions=bulkhead-source', script, dir, String(dieAtWrite)];
  const child = spawn(process.execPath, args, { stdio: 'inherit' });
  children.add(child);
  const [, signal] = await once(child, 'exit');
  children.delete(child);
  return signal;
}

it('loses and repeats nothing when its workers are killed in the middle, twice', async () => {
  await copyEmbedded(inject('templateFolder'), join(dir, 'database'));
  const first = await openWorkerBench(dir);
  for (let seed = 1; seed <= IMAGES; seed++) {
    const bytes = await photo(seed, 200, 150).jpeg().toBuffer();
    await finalizeUpload(first, bytes);
  }
  await first.close();

  expect(await runUntilKilled(12)).toBe('SIGKILL');
  expect(await runUntilKilled(9)).toBe('SIGKILL');

  const last = await openWorkerBench(dir);
  try {
    const before = await last.db
      .selectFrom('assets')
      .select(['id', 'processed', 'width'])
      .execute();
    const done = before.filter((asset) => asset.processed);
    expect(done.length).toBeGreaterThan(0);
    expect(done.length).toBeLessThan(IMAGES);
    await last.workers.start();
    await vi.waitFor(
      async () => {
        expect([await last.queue.depth('process'), await last.queue.depth('embed')]).toEqual([
          0, 0,
        ]);
      },
      { timeout: 30_000 },
    );
    const assets = await last.db.selectFrom('assets').selectAll().execute();
    expect(assets).toHaveLength(IMAGES);
    for (const asset of assets) {
      expect(asset).toMatchObject({ processed: true, embedded: true, failed: false });
      expect(asset).toMatchObject({ processing_error: null, processing_retry_count: 0 });
      for (const key of [asset.image_key, asset.thumbnail_key]) {
        expect((await last.blobs.head(key ?? ''))?.sizeBytes).toBeGreaterThan(0);
      }
    }
    expect(await last.db.selectFrom('embeddings').selectAll().execute()).toHaveLength(IMAGES);
    expect(last.logger.lines.map((line) => line.message)).toContain(
      '[Jobs] took over jobs of a process that ended',
    );
  } finally {
    await last.close();
  }
}, 120_000);
