import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Example } from './example-runner.ts';

let example: Example;

beforeAll(async () => {
  example = await Example.start('script-tag', { hasDatabase: true });
});
afterAll(() => example?.stop());

describe('npm run example script-tag', () => {
  it('brings five photos through all stages, without a complaint of the page', async () => {
    const { page, complaints } = await example.open();
    await page.getByLabel('Photos').setInputFiles(await example.photos());
    await expect
      .poll(() => page.getByRole('status').textContent(), { timeout: 60_000 })
      .toBe('Uploaded 5 · processed 5 · searchable 5 of 5');
    expect(complaints).toEqual([]);
  });

  it('ends with everything that it started', async () => {
    expect(await example.stop()).toBe(0);
    await expect(fetch(example.url)).rejects.toThrow('fetch failed');
  });
});
