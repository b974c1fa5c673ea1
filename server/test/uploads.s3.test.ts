import { randomUUID } from 'node:crypto';
import {
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { expect, inject, test } from 'vitest';
import { originalKey } from '../src/blobs/keys.ts';
import { createS3Store } from '../src/blobs/s3-store.ts';
import { describeUploads } from './fixtures/describe-uploads.ts';
import { createBucket } from './fixtures/s3-bucket.ts';
import { grantedOf, jpeg, putTo, startTestServer } from './fixtures/test-server.ts';

/** With the checksum by metadata, and by reading each object: what finalize asks differs. */
const KINDS = {
  'which verifies checksums': { verifiesChecksums: true },
  'which finalize reads': { verifiesChecksums: false },
  'by forms': { verifiesChecksums: true, formsUpToBytes: 1024 * 1024 },
};
for (const [how, options] of Object.entries(KINDS)) {
  describeUploads(`S3, ${how}`, async () => {
    const { settings, store, close } = await createBucket(options);
    const { accessKeyId, secretAccessKey } = inject('s3');
    const credentials = { accessKeyId, secretAccessKey: 'not the one' };
    return {
      store,
      broken: createS3Store({ ...settings, credentials, maxAttempts: 1 }),
      secrets: ['not the one', secretAccessKey],
      close,
    };
  });
}

test('the sweep leaves in a bucket what is needed, and what is not ours', async () => {
  const { store, client, bucket, list, close } = await createBucket();
  const app = await startTestServer({ blobStore: store });
  const ada = app.user();
  const kept = jpeg('kept.jpg');
  const keptId = await ada.upload(kept);
  await ada.finalize(keptId);
  const abandoned = jpeg('abandoned.jpg');
  await putTo(grantedOf((await ada.reserve([abandoned]))[0]), abandoned.bytes);
  await store.write(originalKey('nobody', randomUUID(), Date.now()), abandoned.bytes, 'image/jpeg');
  for (const Key of ['u/readme.txt', 'backups/1']) {
    await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'not ours' }));
  }
  const unfinished = { Bucket: bucket, Key: originalKey('ada', randomUUID(), Date.now()) };
  await client.send(new CreateMultipartUploadCommand(unfinished));
  await app.server.sweep();
  expect(await list()).toHaveLength(5);

  app.advance(3 * 24 * 3_600_000);
  await app.server.sweep();
  const left = await list();
  expect(left.filter((key) => key.endsWith(keptId))).toHaveLength(1);
  expect(left.filter((key) => !key.endsWith(keptId)).sort()).toEqual(['backups/1', 'u/readme.txt']);
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
  expect(Uploads).toEqual([]);

  // 65, on a real store.
  await store.delete(left.filter((key) => key.endsWith(keptId)));
  await app.server.sweep();
  const credential = grantedOf((await ada.reserve([kept]))[0]);
  await putTo(credential, kept.bytes);
  expect((await ada.finalize(credential.assetId)).body.asset.id).toBe(keptId);
  expect(await list()).toContain(credential.pathname);
  await app.close();
  await close();
});
