import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Engine } from '../support/engines.ts';
import { ResumeSite } from './resume-site.ts';

/** More than a signed 32-bit number of bytes, and no whole number of slices. */
const SIZE_BYTES = 2 ** 31 + 5_000_003;

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
  const expected = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 4 * 1024 * 1024 }), expected);
  const site = await ResumeSite.start(0, 0);
  const engine = await Engine.create('chromium');
  try {
    const page = await engine.open(site.url);
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
    expect(checksum).toBe(expected.digest('hex'));
  } finally {
    await engine.close();
    await site.close();
  }
});
