import { describe, expect, inject, it } from 'vitest';
import { systemRuntime } from '../../src/runtime/runtime.ts';
import { describeUploadAdapter } from '../../src/testing/client.ts';
import { makeTestFile } from '../../src/testing/conformance/test-file.ts';
import {
  type PresignedPost,
  type PresignedPut,
  s3PresignedAdapter,
} from '../../src/transports/s3.ts';
import { openLab } from '../support/lab-client.ts';

const lab = await openLab(inject('labUrl'), 's3-forms');
const { signal } = new AbortController();
const keyOf = ({ id, name }: { id: string; name: string }) => `up loads/${id}/${name}`;

type Options = Parameters<typeof s3PresignedAdapter>[0];

const options: Options = {
  sign: (files) =>
    lab.call<(PresignedPut | PresignedPost)[]>(
      'sign',
      files.map((file) => ({ ...file, key: keyOf(file) })),
    ),
  async head(items) {
    const sizes = await lab.call<(number | null)[]>('head', items.map(keyOf));
    return sizes.map((size, at) => size === items[at]?.sizeBytes);
  },
  verifiesChecksums: true,
};

describeUploadAdapter(
  'S3 by signed forms',
  {
    create: () => s3PresignedAdapter({ ...options, maxConcurrency: 1 }),
    backend: async () => lab.asBackend(({ credential }) => credential.pathname),
    capabilities: { checksum: true, head: true },
  },
  { describe, it },
);

async function send(sizeBytes: number, runtime = systemRuntime(), adapterOptions = options) {
  const adapter = s3PresignedAdapter(adapterOptions, runtime);
  const { request: upload, body } = await makeTestFile({ name: 'Gött #1.jpg', sizeBytes });
  const [granted] = await adapter.credentials([upload], signal);
  if (granted?.status !== 'granted') throw new Error('Not granted');
  const { credential } = granted;
  const progress: number[] = [];
  const onProgress = (sentBytes: number) => void progress.push(sentBytes);
  const outcome = await adapter.put({ upload, credential, body, signal, onProgress });
  return { upload, credential, outcome, progress, stored: await lab.read(credential.pathname) };
}

describe('a small file that goes by a signed form', () => {
  it('is one request, which no browser asks about', async () => {
    await lab.reset();
    const { outcome, stored, upload, progress } = await send(200_000);
    expect([outcome, stored?.checksum]).toEqual(['stored', upload.checksum]);
    expect(await lab.requests()).toEqual([`POST /${lab.facts.bucket}`]);
    expect(await lab.preflights()).toBe(0);
    expect(progress).toEqual([200_000]);
  });

  it('is asked about when it is large enough to show its progress', async () => {
    await lab.reset();
    const { outcome, progress } = await send(4_000_000);
    expect(outcome).toBe('stored');
    // Some browsers remember the answer to a question about the same URL.
    expect(await lab.preflights()).toBeLessThanOrEqual(1);
    expect(progress.at(-1)).toBe(4_000_000);
  });

  it('has the key of its form, where the application says no other', async () => {
    const { credential, upload } = await send(2_000);
    expect(credential).toMatchObject({ assetId: keyOf(upload), pathname: keyOf(upload) });
    const without: Options = { ...options, sign: async () => [{ url: lab.url, fields: {} }] };
    await expect(send(2_000, systemRuntime(), without)).rejects.toThrow('answered no key');
  });

  it('is ended when no answer comes, after all the time that a slow link needs', async () => {
    const hurried = {
      ...systemRuntime(),
      setTimer: (callback: () => void, delayMs: number) => setTimeout(callback, delayMs / 200),
    };
    await lab.reset();
    await lab.limit(1);
    await expect(send(400_000, hurried)).rejects.toMatchObject({
      ...{ code: 'stalled', action: 'transient' },
      message: expect.stringMatching(/^There was no answer for 48\d s/),
    });
    await lab.reset();
  });
});
