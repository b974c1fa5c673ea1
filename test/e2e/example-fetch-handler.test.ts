import { AwsClient } from 'aws4fetch';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findOrStartS3 } from '../../scripts/swift.mjs';
import { contentsOf, Example } from './example-runner.ts';

const BUCKET = `bulkhead-test-${crypto.randomUUID()}`;

let s3: Awaited<ReturnType<typeof findOrStartS3>>;
let aws: AwsClient;
let example: Example;

beforeAll(async () => {
  s3 = await findOrStartS3();
  const { endpoint, region, accessKeyId, secretAccessKey } = s3;
  aws = new AwsClient({ accessKeyId, secretAccessKey, region, service: 's3' });
  await expectOk(await aws.fetch(`${endpoint}/${BUCKET}`, { method: 'PUT' }));
  example = await Example.start('fetch-handler', {
    env: {
      S3_ENDPOINT: endpoint,
      S3_BUCKET: BUCKET,
      S3_REGION: region,
      S3_ACCESS_KEY_ID: accessKeyId,
      S3_SECRET_ACCESS_KEY: secretAccessKey,
    },
  });
});
afterAll(async () => {
  await example?.stop();
  await s3?.stop();
});

async function expectOk(response: Response): Promise<Response> {
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return response;
}

async function keys(): Promise<string[]> {
  const list = await expectOk(await aws.fetch(`${s3.endpoint}/${BUCKET}?list-type=2`));
  return [...(await list.text()).matchAll(/<Key>(.+?)<\/Key>/g)].map(([, key = '']) => key);
}

describe('npm run example fetch-handler', () => {
  it('brings five photos into a real bucket byte for byte, on URLs that it presigned', async () => {
    const photos = await example.photos();
    const { page, complaints } = await example.open();
    await page.getByLabel('Photos').setInputFiles(photos);
    await expect
      .poll(() => page.getByRole('status').textContent(), { timeout: 60_000 })
      .toBe('Uploaded 5 of 5');
    expect(complaints).toEqual([]);

    const stored = await Promise.all(
      (await keys()).map(async (key) => {
        const object = await expectOk(await aws.fetch(`${s3.endpoint}/${BUCKET}/${key}`));
        return Buffer.from(await object.arrayBuffer()).toString('base64');
      }),
    );
    expect(stored.toSorted()).toEqual(await contentsOf(photos));
  });

  it('signs a checksum: the bucket takes no other bytes', async () => {
    const before = await keys();
    const file = { id: crypto.randomUUID(), sizeBytes: 3, mimeType: 'image/png' };
    const answer = await fetch(`${example.url}/api/sign`, {
      method: 'POST',
      body: JSON.stringify([{ ...file, checksum: '0'.repeat(64) }]),
    });
    const [{ uploadUrl, headers }] = await answer.json();
    const put = await fetch(uploadUrl, { method: 'PUT', headers, body: 'abc' });
    expect([put.status, await put.text()]).toEqual([400, expect.stringContaining('BadDigest')]);
    const { 'x-amz-checksum-sha256': _, ...unsummed } = headers;
    expect((await fetch(uploadUrl, { method: 'PUT', headers: unsummed, body: 'abc' })).status).toBe(
      403,
    );
    expect(await keys()).toEqual(before);
  });
});
