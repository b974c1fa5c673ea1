import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contentsOf, Example } from './example-runner.ts';

let example: Example;

beforeAll(async () => {
  example = await Example.start('express');
});
afterAll(() => example?.stop());

const stored = async () => {
  const folder = path.join(example.dir, 'data/uploads');
  return (await readdir(folder)).map((name) => path.join(folder, name));
};

async function credentialFor(checksum: string): Promise<{ uploadUrl: string }> {
  const file = { id: crypto.randomUUID(), sizeBytes: 3, mimeType: 'image/png', checksum };
  const answer = await fetch(`${example.url}/api/sign`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify([file]),
  });
  const [credential] = await answer.json();
  return credential;
}

describe('npm run example express', () => {
  it('stores five photos byte for byte, without a complaint of the page', async () => {
    const photos = await example.photos();
    const { page, complaints } = await example.open();
    await page.getByLabel('Photos').setInputFiles(photos);
    await expect
      .poll(() => page.getByRole('status').textContent(), { timeout: 60_000 })
      .toBe('Uploaded 5 of 5');
    expect(complaints).toEqual([]);
    expect(await contentsOf(await stored())).toEqual(await contentsOf(photos));
  });

  it('refuses other bytes than were signed, altered URLs and files it does not take, and keeps nothing of them', async () => {
    const before = await stored();
    const { uploadUrl } = await credentialFor('0'.repeat(64));
    const put = async (url: string, body: string) => {
      const answer = await fetch(`${example.url}${url}`, { method: 'PUT', body });
      return [answer.status, (await answer.json()).code];
    };
    expect(await put(uploadUrl, 'abc')).toEqual([400, 'checksum_mismatch']);
    expect(await put(uploadUrl, 'abcd')).toEqual([400, 'size_mismatch']);
    expect(await put(uploadUrl.replace('size=3', 'size=4'), 'abcd')).toEqual([403, 'url_invalid']);
    expect(await put(uploadUrl.replace(/signature=.*/, ''), 'abc')).toEqual([403, 'url_invalid']);
    await expect(credentialFor('not a checksum')).rejects.toThrow();
    expect(await stored()).toEqual(before);
  });
});
