import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENGINES, Engine } from '../support/engines.ts';
import { type S3Site, startS3Site } from './s3-site.ts';

const FORMS_UP_TO_BYTES = 100_000;
const JPEG = [0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46];

let site: S3Site;
let dir: string;

beforeAll(async () => {
  site = await startS3Site({ formsUpToBytes: FORMS_UP_TO_BYTES });
  dir = await mkdtemp(path.join(tmpdir(), 'bulkhead-forms-'));
});

afterAll(async () => {
  await site?.close();
  if (dir) await rm(dir, { recursive: true, force: true });
});

/** Forty small photos, one with a name that a form has to escape, and one that is too large for a form. */
async function writeFiles(folder: string) {
  const names = Array.from({ length: 40 }, (_, at) => `${folder}-${at}.jpg`);
  names[0] = `${folder} “Gött” 100% & co.jpg`;
  return Promise.all(
    [...names, `${folder}-large.jpg`].map(async (filename, at) => {
      const bytes = randomBytes(at === 40 ? 300_000 : 20_000 + at);
      bytes.set(JPEG);
      const file = path.join(dir, filename);
      await writeFile(file, bytes);
      const checksum = createHash('sha256').update(bytes).digest('hex');
      return { path: file, filename, size: bytes.length, checksum };
    }),
  );
}

describe.each(ENGINES)('small files to S3, in %s', (name) => {
  it('go by one form each, and arrive byte for byte', async () => {
    const engine = await Engine.create(name);
    try {
      const written = await writeFiles(name);
      const page = await engine.open(site.url);
      const sent: string[] = [];
      page.on('request', (request) => {
        if (request.url().startsWith(site.storeUrl)) sent.push(request.method());
      });
      await site.start(page);
      await page.setInputFiles(
        '#files',
        written.map((file) => file.path),
      );
      const own = async () =>
        (await site.assets()).filter(({ filename }) => filename.startsWith(name));
      await expect.poll(own, { timeout: 60_000 }).toHaveLength(written.length);
      const expected = written.map(({ path: _, ...asset }) => asset);
      const byName = (one: { filename: string }, other: { filename: string }) =>
        one.filename < other.filename ? -1 : 1;
      expect((await own()).sort(byName)).toEqual(expected.sort(byName));
      expect(sent.filter((method) => method === 'POST')).toHaveLength(40);
      expect(sent.filter((method) => method === 'PUT')).toHaveLength(1);
    } finally {
      await engine.close();
    }
  });
});
