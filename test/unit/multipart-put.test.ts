import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UploadError } from '../../src/errors/upload-error.ts';
import { systemRuntime } from '../../src/runtime/runtime.ts';
import {
  choosePartSize,
  createPartPool,
  type MultipartPutOptions,
  type PartToSign,
  putInParts,
} from '../../src/transports/multipart-put.ts';
import type { SendAnswer, SendRequest } from '../../src/transports/xhr-put.ts';

const MIB = 1024 * 1024;
const S3_LIMITS = { minPartBytes: 5 * MIB, maxPartBytes: 5 * 1024 * MIB, maxParts: 10_000 };

/** Waits of the schedule take no time; what was waited for is kept. */
function instantRuntime() {
  const waits: number[] = [];
  const runtime = {
    ...systemRuntime(),
    setTimer(callback: () => void, delayMs: number) {
      waits.push(delayMs);
      return setTimeout(callback, 0);
    },
  };
  return { runtime, waits };
}

/** A store of parts that does what `answer` says of each request, else stores it. */
function partStore(answer: (partNumber: number, nth: number) => unknown = () => undefined) {
  const stored = new Map<number, Uint8Array>();
  const puts: number[] = [];
  const signed: PartToSign[][] = [];
  let underWay = 0;
  let mostUnderWay = 0;
  const put = async ({ credential, body, signal, onProgress }: SendRequest) => {
    const partNumber = Number(new URL(credential.uploadUrl).searchParams.get('part'));
    puts.push(partNumber);
    underWay += 1;
    mostUnderWay = Math.max(mostUnderWay, underWay);
    try {
      onProgress(Math.floor(body.size / 2));
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (signal.aborted) throw new UploadError('cancelled', 'Cancelled.');
      const said = await answer(partNumber, puts.filter((each) => each === partNumber).length);
      if (said instanceof Error) throw said;
      stored.set(partNumber, new Uint8Array(await body.arrayBuffer()));
      if (said === 'lost') return 'lost' as const;
      return { status: 200, body: '', header: () => `"etag-${partNumber}"` } satisfies SendAnswer;
    } finally {
      underWay -= 1;
    }
  };
  const sign: MultipartPutOptions['sign'] = async (parts) => {
    signed.push([...parts]);
    return parts.map(({ partNumber }) => ({
      partNumber,
      uploadUrl: `http://store.test/object?part=${partNumber}&signed=${signed.length}`,
      method: 'PUT',
      headers: {},
      expiresInMs: 60_000,
    }));
  };
  const bytes = () => Buffer.concat([...stored].sort(([a], [b]) => a - b).map(([, part]) => part));
  return { put, sign, puts, signed, stored, bytes, mostUnderWay: () => mostUnderWay };
}

function bodyOf(sizeBytes: number): Blob {
  return new Blob([Uint8Array.from({ length: sizeBytes }, (_, at) => at % 251)]);
}

function send(
  body: Blob,
  store: ReturnType<typeof partStore>,
  more: Partial<MultipartPutOptions> = {},
) {
  const progress: number[] = [];
  const { runtime, waits } = instantRuntime();
  const sent = putInParts({
    ...{ body, partSizeBytes: 10, storedParts: [], sign: store.sign, put: store.put },
    ...{ signal: new AbortController().signal, runtime, pool: createPartPool(3) },
    onProgress: (sentBytes) => void progress.push(sentBytes),
    ...more,
  });
  return { sent, progress, waits };
}

describe('the size of parts', () => {
  const choices = fc.record({
    fileBytes: fc.integer({ min: 1, max: 5 * 1024 ** 4 }),
    goodput: fc.option(fc.double({ min: 0, max: 1e10, noNaN: true }), { nil: undefined }),
    minPartBytes: fc.integer({ min: 1, max: 64 * MIB }),
    wider: fc.integer({ min: 0, max: 5 * 1024 * MIB }),
    maxParts: fc.integer({ min: 1, max: 10_000 }),
  });

  it('keeps every limit for every file that fits, with all parts but the last equal', () => {
    fc.assert(
      fc.property(choices, ({ fileBytes, goodput, minPartBytes, wider, maxParts }) => {
        const limits = { minPartBytes, maxPartBytes: minPartBytes + wider, maxParts };
        const fits = fileBytes <= limits.maxPartBytes * maxParts;
        const choose = () => choosePartSize({ fileBytes, limits, goodputBytesPerSecond: goodput });
        if (!fits) {
          expect(choose).toThrow(UploadError);
          return;
        }
        const bytes = choose();
        expect(Number.isInteger(bytes)).toBe(true);
        expect(bytes).toBeGreaterThanOrEqual(minPartBytes);
        expect(bytes).toBeLessThanOrEqual(limits.maxPartBytes);
        expect(Math.ceil(fileBytes / bytes)).toBeLessThanOrEqual(maxParts);
      }),
    );
  });

  it('grows with the way’s speed, and no further than 64 MiB', () => {
    const sizes = [undefined, 100_000, 2 * MIB, 1e9].map((goodputBytesPerSecond) =>
      choosePartSize({ fileBytes: 1024 * MIB, limits: S3_LIMITS, goodputBytesPerSecond }),
    );
    expect(sizes).toEqual([8 * MIB, 5 * MIB, 16 * MIB, 64 * MIB]);
  });
});

describe('a file in parts', () => {
  it('arrives whole, no more parts under way than the pool has connections', async () => {
    const body = bodyOf(95);
    const store = partStore();
    const { sent, progress } = send(body, store);
    const parts = await sent;
    expect(parts.map(({ partNumber, sizeBytes, etag }) => [partNumber, sizeBytes, etag])).toEqual(
      Array.from({ length: 10 }, (_, at) => [at + 1, at < 9 ? 10 : 5, `"etag-${at + 1}"`]),
    );
    expect(store.bytes()).toEqual(Buffer.from(await body.arrayBuffer()));
    expect(store.mostUnderWay()).toBe(3);
    expect(progress.at(-1)).toBe(95);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
  });

  it('shares the pool with other files', async () => {
    const store = partStore();
    const pool = createPartPool(2);
    const sends = [1, 2, 3].map(() => send(bodyOf(60), store, { pool }).sent);
    await Promise.all(sends);
    expect(store.mostUnderWay()).toBe(2);
    expect(pool.goodputBytesPerSecond).toBeGreaterThan(0);
  });

  it('has each part hashed where that is wanted', async () => {
    const store = partStore();
    const parts = await send(bodyOf(25), store, { hasChecksums: true }).sent;
    const signed = store.signed.flat().map(({ checksum }) => checksum);
    expect(signed).toEqual(parts.map(({ checksum }) => checksum));
    const first = await crypto.subtle.digest('SHA-256', await bodyOf(10).arrayBuffer());
    expect(signed[0]).toBe(Buffer.from(first).toString('hex'));
  });

  it('goes on from what is stored, and sends again what has another size', async () => {
    const store = partStore();
    const storedParts = [
      { partNumber: 1, sizeBytes: 10, etag: 'first' },
      { partNumber: 2, sizeBytes: 7 },
      { partNumber: 4, sizeBytes: 5 },
      { partNumber: 9, sizeBytes: 10 },
    ];
    const { sent, progress } = send(bodyOf(35), store, { storedParts });
    const parts = await sent;
    expect([...store.puts].sort()).toEqual([2, 3]);
    expect(parts.map(({ etag }) => etag)).toEqual(['first', '"etag-2"', '"etag-3"', undefined]);
    expect([progress[0], progress.at(-1)]).toEqual([10, 35]);
  });

  it('sends nothing when everything is stored', async () => {
    const store = partStore();
    const storedParts = [{ partNumber: 1, sizeBytes: 10 }];
    expect(await send(bodyOf(10), store, { storedParts }).sent).toEqual(storedParts);
    expect([store.puts, store.signed]).toEqual([[], []]);
  });

  it('tries a part five times, waits as long as the answer asks, and takes no progress back', async () => {
    const busy = new UploadError('unavailable', 'Busy.', { status: 503, retryAfterMs: 7_000 });
    const gone = new UploadError('network_failed', 'Gone.');
    const store = partStore((partNumber, nth) =>
      partNumber === 2 && nth < 5 ? (nth === 1 ? busy : nth === 2 ? 'lost' : gone) : undefined,
    );
    const { sent, progress, waits } = send(bodyOf(30), store);
    await sent;
    expect(store.puts.filter((partNumber) => partNumber === 2)).toHaveLength(5);
    expect(waits[0]).toBe(7_000);
    expect(waits.slice(1).every((waitMs) => waitMs <= 4_000)).toBe(true);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
  });

  it('gives up after five, with the error of the part', async () => {
    const store = partStore((partNumber) =>
      partNumber === 2 ? new UploadError('internal', 'No.', { status: 500 }) : undefined,
    );
    await expect(send(bodyOf(30), store).sent).rejects.toMatchObject({ code: 'internal' });
    expect(store.puts.filter((partNumber) => partNumber === 2)).toHaveLength(5);
  });

  it('stops the other parts when one fails for good', async () => {
    const store = partStore((partNumber) =>
      partNumber === 1 ? new UploadError('checksum_mismatch', 'No.') : undefined,
    );
    const { sent } = send(bodyOf(1_000), store);
    await expect(sent).rejects.toMatchObject({ code: 'checksum_mismatch' });
    expect(store.puts.length).toBeLessThan(10);
  });

  it('signs a refused part anew, once', async () => {
    const refused = new UploadError('url_expired', 'Expired.', { status: 403 });
    const once = partStore((_, nth) => (nth === 1 ? refused : undefined));
    await send(bodyOf(20), once).sent;
    expect(once.puts).toHaveLength(4);
    const always = partStore(() => refused);
    await expect(send(bodyOf(10), always).sent).rejects.toBe(refused);
    expect(always.puts).toHaveLength(2);
  });

  it('does not use a permit that has expired meanwhile', async () => {
    const store = partStore();
    let nowMs = 0;
    const { runtime } = instantRuntime();
    const sign: MultipartPutOptions['sign'] = async (...args) => {
      nowMs += 100_000;
      return store.sign(...args);
    };
    await send(bodyOf(20), store, { sign, runtime: { ...runtime, now: () => nowMs } }).sent;
    expect(store.signed.map((parts) => parts.length)).toEqual([2, 1, 1]);
  });

  it('refuses signatures of other parts than those it asked for', async () => {
    const store = partStore();
    const sign: MultipartPutOptions['sign'] = async (parts, signal) =>
      [...(await store.sign(parts, signal))].reverse();
    const { sent } = send(bodyOf(20), store, { sign });
    await expect(sent).rejects.toMatchObject({ code: 'unexpected_response' });
  });

  it('ends at once when it is cancelled, and sends nothing more', async () => {
    const controller = new AbortController();
    const store = partStore(() => void controller.abort());
    const { sent } = send(bodyOf(1_000), store, { signal: controller.signal });
    await expect(sent).rejects.toMatchObject({ code: 'cancelled' });
    const count = store.puts.length;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(store.puts).toHaveLength(count);
  });

  it('sends nothing when it was cancelled beforehand', async () => {
    const store = partStore();
    const { sent } = send(bodyOf(20), store, { signal: AbortSignal.abort() });
    await expect(sent).rejects.toMatchObject({ code: 'cancelled' });
    expect(store.puts).toEqual([]);
  });
});
