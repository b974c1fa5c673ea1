import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createBackend } from '../../examples/adapter/backend.ts';

const disk = vi.hoisted(() => ({ isFull: false }));

vi.mock('node:fs/promises', async (importActual) => {
  const actual = await importActual<typeof import('node:fs/promises')>();
  return {
    ...actual,
    async writeFile(path: string, bytes: Buffer, options: object) {
      if (!disk.isFull) return actual.writeFile(path, bytes, options);
      await actual.writeFile(path, bytes.subarray(0, bytes.length / 2), options);
      throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    },
  };
});

const bytes = Buffer.from('photo '.repeat(1_000));
const checksum = createHash('sha256').update(bytes).digest('hex');
const file = { id: 'upload-1', mimeType: 'image/jpeg', checksum };

let folder: string;
let handle: (request: Request) => Promise<Response>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulkhead-docs-backend-'));
  handle = createBackend(join(folder, 'store'));
});
afterEach(async () => {
  disk.isFull = false;
  await rm(folder, { recursive: true, force: true });
});

async function post(path: string, body: unknown) {
  const init = { method: 'POST', body: JSON.stringify(body) };
  return (await handle(new Request(`http://backend.test${path}`, init))).json();
}

async function sign(): Promise<{ uploadUrl: string; assetId: string }> {
  const [{ credential }] = await post('/sign', [file]);
  return credential;
}

/** What the store answers to a PUT. */
async function put(uploadUrl: string, body: BodyInit = bytes): Promise<number> {
  const init = { method: 'PUT', body, duplex: 'half' };
  return (await handle(new Request(uploadUrl, init))).status;
}

function brokenOff(): ReadableStream<Uint8Array> {
  let isBegun = false;
  return new ReadableStream({
    pull(stream) {
      if (isBegun) stream.error(new Error('The connection broke off.'));
      else stream.enqueue(bytes.subarray(0, 3_000));
      isBegun = true;
    },
  });
}

describe('the backend of docs/adapters.md', () => {
  it('is no longer than sixty lines', async () => {
    const path = resolve(import.meta.dirname, '../../examples/adapter/backend.ts');
    expect((await readFile(path, 'utf8')).trimEnd().split('\n').length).toBeLessThanOrEqual(60);
  });

  it('stores a file once, and says that it is there', async () => {
    const { uploadUrl, assetId } = await sign();
    expect(await post('/finalize', [{ ...file, assetId }])).toEqual([false]);
    expect([await put(uploadUrl), await put(uploadUrl)]).toEqual([200, 412]);
    expect(await post('/finalize', [{ ...file, assetId }])).toEqual([true]);
    expect(await readdir(join(folder, 'store'))).toEqual([assetId]);
    expect(await readFile(join(folder, 'store', assetId))).toEqual(bytes);
  });

  it('never takes a file for stored of which the disk had room for a half', async () => {
    const { uploadUrl, assetId } = await sign();
    disk.isFull = true;
    expect(await put(uploadUrl)).toBe(503);
    expect(await post('/finalize', [{ ...file, assetId }])).toEqual([false]);
    disk.isFull = false;
    expect(await put(uploadUrl)).toBe(200);
    expect(await post('/finalize', [{ ...file, assetId }])).toEqual([true]);
    expect(await readFile(join(folder, 'store', assetId))).toEqual(bytes);
  });

  it('never takes a file for stored whose body broke off', async () => {
    const { uploadUrl, assetId } = await sign();
    await expect(put(uploadUrl, brokenOff())).rejects.toThrow('broke off');
    expect(await post('/finalize', [{ ...file, assetId }])).toEqual([false]);
    expect(await put(uploadUrl)).toBe(200);
    expect(await post('/finalize', [{ ...file, assetId }])).toEqual([true]);
  });

  it('finalizes nothing but what it gave a key', async () => {
    const { uploadUrl } = await sign();
    await put(uploadUrl);
    const names = ['../../../../../../etc/passwd', '..', '', `${checksum}.draft`, undefined];
    const asked = names.map((assetId) => ({ ...file, assetId }));
    expect(await post('/finalize', asked)).toEqual(names.map(() => false));
  });
});
