import { describe, expect, it } from 'vitest';
import { createUploader } from '../../src/create-uploader.ts';
import { UploadError } from '../../src/errors/upload-error.ts';
import type { PutRequest } from '../../src/transports/adapter.ts';
import { defineAdapter } from '../../src/transports/define-adapter.ts';
import { grantLocally } from '../../src/transports/local-credential.ts';
import { textFiles, textHasher } from '../support/uploader-world.ts';
import { VirtualRuntime } from '../support/virtual-runtime.ts';

/** One upload whose PUT takes what `put` does; every credential is for the place that `placeOf` names. */
async function createBegun(
  put: (request: PutRequest, runtime: VirtualRuntime) => Promise<'stored' | 'lost'>,
  placeOf = (_call: number) => 'place',
) {
  const runtime = new VirtualRuntime(1);
  const aborted: string[] = [];
  let calls = 0;
  const adapter = defineAdapter({
    name: 'parts',
    capabilities: { checksum: 'sha256', multipart: true },
    async credentials(files) {
      calls += 1;
      const place = placeOf(calls);
      return files.map((file) => {
        const where = { uploadUrl: 'http://store/', pathname: place, assetId: place };
        return grantLocally(file, where, runtime.epochNow());
      });
    },
    put: (request) => put(request, runtime),
    async abort({ pathname }) {
      aborted.push(pathname);
    },
  });
  const uploader = createUploader({ adapter, runtime, hasher: textHasher(runtime) });
  await uploader.add(textFiles(1));
  await runtime.advance(1_000);
  const [upload] = uploader.uploads();
  const id = upload?.id ?? '';
  return { runtime, uploader, aborted, id, status: () => uploader.get(id)?.status };
}

const untilAborted = ({ signal }: PutRequest) =>
  new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(new UploadError('cancelled', 'cancelled')));
  });
const fails = (code: 'unavailable' | 'store_refused' | 'url_expired') => async () => {
  throw new UploadError(code, 'no', code === 'unavailable' ? { retryAfterMs: 60_000 } : {});
};

describe('what a store has of a begun upload', () => {
  it('is kept while it is paused, and thrown away once when it is cancelled then', async () => {
    const { runtime, uploader, aborted, id } = await createBegun(untilAborted);
    uploader.pause({ id });
    await runtime.advance(1_000);
    expect(aborted).toEqual([]);
    uploader.abort({ id });
    await runtime.advance(1_000);
    expect(aborted).toEqual(['place']);
  });

  it('is thrown away when it is cancelled while it waits to be tried again', async () => {
    const { runtime, uploader, aborted, id, status } = await createBegun(fails('unavailable'));
    expect(status()).toBe('ready');
    uploader.abort({ id });
    await runtime.advance(120_000);
    expect(aborted).toEqual(['place']);
  });

  it('is thrown away when it is cancelled while it is sent', async () => {
    const { runtime, uploader, aborted, id } = await createBegun(untilAborted);
    uploader.abort({ id });
    await runtime.advance(1_000);
    expect(aborted).toEqual(['place']);
  });

  it('is kept for a dead letter until it is cleared', async () => {
    const { runtime, uploader, aborted, status } = await createBegun(fails('store_refused'));
    expect(status()).toBe('dead');
    expect(aborted).toEqual([]);
    uploader.deadLetters.clear();
    await runtime.advance(1_000);
    expect(aborted).toEqual(['place']);
  });

  it('is kept when the uploader is destroyed', async () => {
    const { runtime, uploader, aborted } = await createBegun(untilAborted);
    uploader.destroy();
    await runtime.advance(1_000);
    expect(aborted).toEqual([]);
  });

  it('is thrown away when the upload goes on to another place', async () => {
    let puts = 0;
    const { runtime, uploader, aborted, id, status } = await createBegun(
      (request) => {
        puts += 1;
        return puts === 1 ? fails('url_expired')() : untilAborted(request);
      },
      (call) => `place ${call}`,
    );
    expect([status(), aborted]).toEqual(['uploading', ['place 1']]);
    uploader.abort({ id });
    await runtime.advance(1_000);
    expect(aborted).toEqual(['place 1', 'place 2']);
  });

  it('is kept once it is stored, whatever is done to the upload', async () => {
    const { runtime, uploader, aborted, id } = await createBegun(async () => 'stored');
    uploader.abort({ id });
    uploader.deadLetters.clear();
    await runtime.advance(1_000);
    expect(aborted).toEqual([]);
  });

  it('is nothing where no PUT ever began', async () => {
    const runtime = new VirtualRuntime(1);
    let aborts = 0;
    const adapter = defineAdapter({
      name: 'slow',
      credentials: async () => new Promise(() => {}),
      abort: async () => {
        aborts += 1;
      },
    });
    const uploader = createUploader({ adapter, runtime, hasher: textHasher(runtime) });
    await uploader.add(textFiles(3));
    await runtime.advance(1_000);
    uploader.abort();
    await runtime.advance(1_000);
    expect(aborts).toBe(0);
  });
});
