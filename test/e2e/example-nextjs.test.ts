import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Example } from './example-runner.ts';

let example: Example;

beforeAll(async () => {
  example = await Example.start('nextjs', {
    env: { NEXT_PUBLIC_DIRECT_UPLOADS_PERCENT: '50' },
  });
});
afterAll(() => example?.stop());

/** Of a hundred visitors these stand at 23 and at 78: the one is in a rollout to 50 %, the other is not. */
const IN = 'a0000000-0000-4000-8000-000000000004';
const OUT = 'a0000000-0000-4000-8000-000000000000';

async function upload(
  visitor: string,
): Promise<{ puts: number; forms: number; complaints: string[] }> {
  const { page, complaints } = await example.open();
  await page.context().addCookies([{ name: 'visitor', value: visitor, url: example.url }]);
  await page.reload();
  const sent = { puts: 0, forms: 0 };
  page.on('request', (request) => {
    if (request.method() === 'PUT') sent.puts += 1;
    if (request.method() === 'POST' && new URL(request.url()).pathname === '/api/upload')
      sent.forms += 1;
  });
  await page.getByLabel('Photos').setInputFiles(await example.photos());
  await expect
    .poll(() => page.getByRole('status').textContent(), { timeout: 60_000 })
    .toBe('Uploaded 5/5 · Processed 5/5 · Searchable 5/5');
  await page.context().close();
  return { ...sent, complaints };
}

describe('npm run example nextjs', () => {
  it('brings five photos straight to the store for who is in the rollout', async () => {
    expect(await upload(IN)).toEqual({ puts: 5, forms: 0, complaints: [] });
  });

  it('brings five photos by forms, as before, for who is not', async () => {
    expect(await upload(OUT)).toEqual({ puts: 0, forms: 5, complaints: [] });
  });
});
