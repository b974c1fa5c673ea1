import { afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Uploader } from '../../src/core/uploader.ts';
import { createUploader } from '../../src/create-uploader.ts';
import {
  connectFaultServer,
  type FaultRule,
  type FaultServerClient,
} from '../../src/testing/client.ts';
import { bulkheadAdapter } from '../../src/transports/bulkhead-adapter.ts';
import { thisEngine } from '../support/engine-support.ts';

const PACKS = { maxFiles: 100, maxBytes: 1024 * 1024, maxFileBytes: 64 * 1024 };

let server: FaultServerClient;
beforeAll(async () => {
  const parent = await connectFaultServer(inject('faultServerUrl'));
  server = await parent.spawn({ packs: PACKS, processing: { processMs: 0, embedMs: 0 } });
});

const uploaders: Uploader[] = [];
afterEach(async () => {
  for (const uploader of uploaders.splice(0)) uploader.destroy();
  await server.reset();
});

function photos(count: number, sizeBytes = 4_000): File[] {
  return Array.from({ length: count }, (_, at) => {
    const bytes = new Uint8Array(sizeBytes).map((_, index) => (index * 31 + at) % 251);
    new DataView(bytes.buffer).setUint32(0, at);
    return new File([bytes], `photo-${at}.jpg`, { type: 'image/jpeg', lastModified: at });
  });
}

/** Uploads everything, and gives what the server saw. */
async function upload(files: File[], plan: FaultRule[] = [], packs = true) {
  await server.plan(plan);
  const adapter = bulkheadAdapter({ baseUrl: server.url, packs });
  const uploader = createUploader({ adapter, storage: false });
  uploaders.push(uploader);
  await uploader.add(files);
  const snapshot = await uploader.done();
  const state = await server.state();
  const uploads = [...uploader.uploads()];
  expect(await server.invariants({ uploads })).toEqual([]);
  const count = (route: string) => state.requests.filter((seen) => seen.route === route).length;
  return { snapshot, state, uploader, count };
}

describe('packs in a browser', () => {
  it('bring 1,000 files over, byte for byte, in few requests', async () => {
    const files = photos(1_000);
    const { snapshot, state, count } = await upload(files);
    expect(snapshot).toMatchObject({ searchable: 1_000, failed: 0 });
    expect(state.assets).toHaveLength(1_000);
    // Only until the first answer said that packs are taken.
    expect(count('put')).toBe(0);
    expect(count('pack')).toBeLessThanOrEqual(40);
    expect(state.requests.length).toBeLessThan(100);
  });

  it('show the bytes of each file, and of all', async () => {
    const files = photos(200, 40_000);
    const { snapshot } = await upload(files);
    expect(snapshot.sentBytes).toBe(200 * 40_000);
  });

  it('are one body among others: larger files go by PUT', async () => {
    const { snapshot, count } = await upload([...photos(100), ...photos(3, 100_000)]);
    expect(snapshot).toMatchObject({ searchable: 103, failed: 0 });
    expect(count('put')).toBe(3);
  });

  it('can be switched off', async () => {
    const { snapshot, count } = await upload(photos(50), [], false);
    expect(snapshot).toMatchObject({ searchable: 50, failed: 0 });
    expect([count('pack'), count('put')]).toEqual([0, 50]);
  });

  it('whose connection breaks in the middle are sent again', async () => {
    const reset: FaultRule = { match: { route: 'pack', nth: 2 }, at: 'body:20000', do: 'reset' };
    const { snapshot } = await upload(photos(600), [reset]);
    expect(snapshot).toMatchObject({ searchable: 600, failed: 0 });
  });

  // Firefox repeats such a request by itself, and the repetition may stop amid its body (docs/browsers.md).
  if (thisEngine() !== 'firefox')
    it('whose answer is lost are asked about, and nothing is stored twice', async () => {
      const lost: FaultRule = {
        match: { route: 'pack', nth: { to: 2 } },
        at: 'after-commit',
        do: 'close',
      };
      const { snapshot, state } = await upload(photos(600), [lost]);
      expect(snapshot).toMatchObject({ searchable: 600, failed: 0 });
      expect(state.objects).toHaveLength(600);
    });

  it('that the server refuses in general are given up for PUTs', async () => {
    const refused: FaultRule = { match: { route: 'pack' }, do: { status: 413 } };
    const { snapshot, count } = await upload(photos(200), [refused]);
    expect(snapshot).toMatchObject({ searchable: 200, failed: 0 });
    expect(count('put')).toBe(200);
  });

  it('with one bad file bring over the others', async () => {
    const bad: FaultRule = {
      match: { route: 'pack', filename: 'photo-7.jpg' },
      do: { fileProblem: 'not_an_image' },
    };
    const { snapshot, uploader } = await upload(photos(100), [bad]);
    expect(snapshot).toMatchObject({ searchable: 99, failed: 1 });
    expect(uploader.deadLetters.list()[0]).toMatchObject({
      name: 'photo-7.jpg',
      failure: { code: 'not_an_image' },
    });
  });

  it('wait as long as the server asks for', async () => {
    const busy: FaultRule = {
      match: { route: 'pack', nth: 1 },
      do: { status: 503, headers: { 'retry-after': '1' }, code: 'unavailable' },
    };
    const { snapshot, count } = await upload(photos(200), [busy]);
    expect(snapshot).toMatchObject({ searchable: 200, failed: 0 });
    expect(count('put')).toBe(0);
  });
});
