import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Engine } from '../support/engines.ts';
import { ResumeSite } from './resume-site.ts';

/** More than a signed 32-bit number of bytes, and no whole number of slices. */
const SIZE_BYTES = 2 ** 31 + 5_000_003;
/** By sha256sum: to hash it here as well takes 5 s. */
const DIGEST = '92f5f7f406e1705cf7635ed77449d4435aaa38801b5357d7c7df36d0785b9c9d';

let dir: string;
let file: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'bulkhead-large-'));
  file = path.join(dir, 'film.mov');
  const handle = await open(file, 'w');
  // Sparse: what is not written takes no room on the disk.
  await handle.write('begin', 0);
  await handle.write('middle', 2 ** 31 - 3);
  await handle.write('end', SIZE_BYTES - 3);
  await handle.close();
});
afterAll(() => rm(dir, { recursive: true, force: true }));

it('hashes a file of more than 2 GB', async () => {
  const site = await ResumeSite.start(0, 0);
  const engine = await Engine.create('chromium');
  try {
    const page = await engine.open(site.url);
    let workers = 0;
    page.on('worker', () => {
      workers += 1;
    });
    await page.evaluate((maxFileSizeBytes) => {
      const hashed = new Promise((resolve) => {
        window.start({
          restrictions: { maxFileSizeBytes },
          adapter: {
            name: 'takes checksums',
            capabilities: { maxConcurrency: 1, maxBatchFiles: 1 },
            credentials: ([request]) => {
              resolve(request?.checksum);
              return new Promise(() => {});
            },
            put: () => Promise.reject(new Error('Nothing is sent')),
            finalize: () => Promise.reject(new Error('Nothing is finalized')),
          },
        });
      });
      Object.assign(window, { hashed });
    }, SIZE_BYTES);
    await page.setInputFiles('#files', file);
    const checksum = await page.evaluate(() => (window as unknown as { hashed: unknown }).hashed);
    expect(checksum).toBe(DIGEST);
    // None was lost, and the page did not do it.
    expect(workers).toBe(1);
  } finally {
    await engine.close();
    await site.close();
  }
});
