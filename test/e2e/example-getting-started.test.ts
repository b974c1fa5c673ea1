import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../scripts/services.mjs';
import { Example } from './example-runner.ts';

let example: Example;
let api: string;

beforeAll(async () => {
  const port = await freePort();
  api = `http://localhost:${port}`;
  example = await Example.start('getting-started', {
    env: { API_PORT: String(port) },
    // The page says port 3000, which somebody else may use on this machine.
    redirect: { from: 'http://localhost:3000', to: api },
  });
});
afterAll(() => example?.stop());

describe('docs/getting-started.md', () => {
  it('brings five photos through all stages, and sends none of them twice', async () => {
    const { page, complaints } = await example.open();
    const photos = await example.photos();
    await page.getByLabel('Photos').setInputFiles(photos);
    await expect
      .poll(async () => [await page.getByRole('status').textContent(), complaints], {
        timeout: 30_000,
      })
      .toEqual(['Uploaded 5, processed 5, searchable 5 of 5', []]);

    const puts: string[] = [];
    page.on('request', (request) => {
      if (request.method() === 'PUT') puts.push(request.url());
    });
    await page.reload();
    await page.getByLabel('Photos').setInputFiles(photos);
    await expect
      .poll(() => page.getByRole('status').textContent(), { timeout: 60_000 })
      .toBe('Uploaded 5, processed 5, searchable 5 of 5');
    expect(puts).toEqual([]);
    expect(complaints).toEqual([]);
  });

  it('shows them as it says: all of them, and by name', async () => {
    const { assets } = await (await fetch(`${api}/api/assets`)).json();
    expect(assets).toHaveLength(5);
    const found = await (await fetch(`${api}/api/search?q=photo-3`)).json();
    expect(JSON.stringify(found)).toContain('photo-3.jpg');
    expect(JSON.stringify(found)).not.toContain('photo-4.jpg');
  });
});
