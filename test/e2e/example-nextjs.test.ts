import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Example } from './example-runner.ts';

let example: Example;

beforeAll(async () => {
  example = await Example.start('nextjs', {
    env: { NEXT_PUBLIC_DIRECT_UPLOADS_PERCENT: '50' },
    hasDatabase: true,
  });
});
afterAll(() => example?.stop());

/** Of a hundred visitors these stand at 23 and at 78: the one is in a rollout to 50 %, the other is not. */
const IN = 'a0000000-0000-4000-8000-000000000004';
const OUT = 'a0000000-0000-4000-8000-000000000000';

const DIRECT = ['/api/upload-pack', '/api/upload-urls'];

/** How the photos of this visitor went, once the page shows `words`. */
async function upload(visitor: string, words: string) {
  const { page, complaints } = await example.open();
  await page.context().addCookies([{ name: 'visitor', value: visitor, url: example.url }]);
  await page.reload();
  const sent = { isDirect: false, forms: 0 };
  page.on('request', (request) => {
    const { pathname } = new URL(request.url());
    if (DIRECT.includes(pathname)) sent.isDirect = true;
    if (pathname === '/api/upload') sent.forms += 1;
  });
  await page.getByLabel('Photos').setInputFiles(await example.photos());
  await expect
    .poll(() => page.getByRole('status').textContent(), { timeout: 60_000 })
    .toContain(words);
  const { assets } = await page.evaluate(async () => (await fetch('/api/assets')).json());
  await page.context().close();
  return { ...sent, assets: assets.length, complaints };
}

describe('npm run example nextjs', () => {
  it('brings five photos straight to the store for who is in the rollout', async () => {
    const words = 'Uploaded 5/5 · Processed 5/5 · Searchable 5/5';
    const went = { isDirect: true, forms: 0, assets: 5, complaints: [] };
    expect(await upload(IN, words)).toEqual(went);
  });

  it('brings five photos by forms, as before, for who is not', async () => {
    // Forms tell the page nothing of what comes after.
    const went = { isDirect: false, forms: 5, assets: 5, complaints: [] };
    expect(await upload(OUT, 'Uploaded 5/5')).toEqual(went);
  });
});
