import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { mapConcurrently } from '../../server/src/concurrency.ts';
import { renderImage } from '../../server/src/images/render-image.ts';

/** Reads, renders and writes, and nothing else: no queue, no database, no other process. @returns files/s */
export async function runBareLoop(paths: readonly string[], concurrency: number): Promise<number> {
  const dir = await mkdtemp(path.join(tmpdir(), 'bulkhead-bare-'));
  try {
    await mapConcurrently(paths.slice(0, concurrency), concurrency, async (file) => {
      await renderImage(await readFile(file));
    });
    const startedAt = performance.now();
    await mapConcurrently(paths, concurrency, async (file, i) => {
      const { main, thumbnail } = await renderImage(await readFile(file));
      await writeFile(path.join(dir, `${i}.jpg`), main.bytes);
      await writeFile(path.join(dir, `${i}.webp`), thumbnail.bytes);
    });
    return paths.length / ((performance.now() - startedAt) / 1000);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
