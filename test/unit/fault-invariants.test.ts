import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  type CheckedUpload,
  checkInvariants,
  createFaultServer,
  type FaultServer,
  type FaultServerState,
  type RecordedRequest,
} from '../../src/testing/index.ts';
import { WireClient, wireFile } from '../support/wire-client.ts';

let server: FaultServer;
let state: FaultServerState;
let upload: CheckedUpload;

/** One file that went through as it should. */
beforeEach(async () => {
  server = await createFaultServer({ processing: { processMs: 1, embedMs: 1 } });
  const { size: sizeBytes, checksum, filename: name, ...file } = wireFile();
  const sent = { size: sizeBytes, checksum, filename: name, ...file };
  const assetId = await new WireClient(server.url).upload(sent);
  await vi.waitFor(() => expect(server.assets.get(assetId)?.stage).toBe('searchable'), 10_000);
  upload = { id: 'u1', name, sizeBytes, status: 'searchable', checksum, assetId };
  state = server.state();
});
afterEach(() => server.close());

function violations(
  change: Partial<FaultServerState> = {},
  row: Partial<CheckedUpload> = {},
): string[] {
  return checkInvariants({ uploads: [{ ...upload, ...row }], server: { ...state, ...change } });
}

function putAgain(change: Partial<RecordedRequest>): RecordedRequest[] {
  const put = state.requests.find(({ route }) => route === 'put');
  if (!put) throw new Error('There was no PUT');
  const atMs = (put.endedAtMs ?? 0) + 1_000;
  return [...state.requests, { ...put, n: 9, atMs, endedAtMs: atMs + 5, ...change }];
}

describe('the invariants', () => {
  it('hold for what went well', () => expect(violations()).toEqual([]));

  it('I1: every upload ends', () => {
    expect(violations({}, { status: 'uploading' })[0]).toBe(
      'I1: photo.jpg did not end: it is uploading',
    );
  });

  it('I2: one asset for each accepted checksum', () => {
    const [asset] = state.assets;
    expect(violations({ assets: [...state.assets, ...state.assets] })).toContain(
      'I2: two assets have the same bytes',
    );
    expect(violations({ assets: [] })).toContain('I2: no asset has the bytes of photo.jpg');
    expect(checkInvariants({ uploads: [], server: state })).toEqual([
      `I2: asset ${asset?.filename} belongs to no upload that was accepted`,
    ]);
  });

  it('I3: stored bytes are those of the source', () => {
    const objects = state.objects.map((object) => ({ ...object, checksum: 'f'.repeat(64) }));
    expect(violations({ objects })).toEqual([
      'I3: the stored bytes of photo.jpg are not those of its asset',
    ]);
    const sourceChecksums = { u1: 'f'.repeat(64) };
    expect(checkInvariants({ uploads: [upload], server: state, sourceChecksums })).toEqual([
      'I3: photo.jpg was uploaded under a checksum that is not its own',
    ]);
  });

  it('I4: no object without a record, no record without an object', () => {
    expect(violations({ objects: [] })).toEqual(['I4: asset photo.jpg has no object']);
    const [object] = state.objects;
    const orphan = { ...object, key: 'orphan' } as FaultServerState['objects'][number];
    expect(violations({ objects: [...state.objects, orphan] })).toEqual([
      'I4: the object of orphan has no asset',
    ]);
  });

  it('I5: bytes that are stored are not sent again', () => {
    expect(violations({ requests: putAgain({ status: 412 }) })).toEqual([
      'I5: photo.jpg was sent again (request 9) though it was stored',
    ]);
  });

  it('I5: but what failed may be, as its bytes did not count', () => {
    const [put] = putAgain({}).slice(-1);
    if (!put) throw new Error('There was no PUT');
    const failed = { ...put, n: 1, atMs: 0, endedAtMs: 1, status: 500 };
    expect(violations({ requests: [failed, ...state.requests] })).toEqual([]);
  });

  it('I6: attempts are bounded, waits are not counted', () => {
    const many = (status: number) =>
      Array.from({ length: 6 }, (_, at) => {
        const [put] = putAgain({ n: at, atMs: -at, endedAtMs: 0, status, key: 'k' }).slice(-1);
        return put as RecordedRequest;
      });
    expect(violations({ requests: many(500) })).toEqual(['I6: k was sent 6 times, 5 are allowed']);
    expect(violations({ requests: many(429) })).toEqual([]);
    const outage = many(500).map((put) => ({ ...put, status: null, faults: ['reset at outage'] }));
    expect(violations({ requests: outage })).toEqual([]);
  });

  it('I6: nothing is sent before the wait that was asked for is over', () => {
    const throttled = putAgain({ status: 429, retryAfterMs: 7_000, key: 'a' });
    const endedAtMs = throttled.at(-1)?.endedAtMs ?? 0;
    const sentAfter = (ms: number) =>
      violations({
        requests: [
          ...throttled,
          ...putAgain({ n: 10, key: 'b', atMs: endedAtMs + ms, status: 200 }).slice(-1),
        ],
      }).filter((sentence) => sentence.startsWith('I6'));
    expect(sentAfter(3_000)).toEqual([
      'I6: request 10 (put) came 3000 ms after request 9 was told to wait 7000 ms',
    ]);
    expect(sentAfter(50)).toEqual([]);
    expect(sentAfter(7_000)).toEqual([]);
  });

  it('I7: the uploader says what the server says', () => {
    const assets = state.assets.map((asset) => ({ ...asset, stage: 'failed' as const }));
    expect(violations({ assets })).toEqual([
      'I7: photo.jpg is searchable, but the server says failed',
    ]);
  });

  it('I9: no signed URL is shown', () => {
    const texts = ['PUT http://store/k?expires=1&signature=secret failed'];
    expect(checkInvariants({ uploads: [upload], server: state, texts })).toEqual([
      'I9: a signed URL was shown or logged: PUT http://store/k?expires=1&signature=… failed',
    ]);
  });
});
