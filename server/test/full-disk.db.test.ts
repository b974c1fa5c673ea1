import { type FileHandle, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { problemSchema } from 'bulkhead/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { formOf, sendForm } from './fixtures/forms.ts';
import { END, partsOf, reserved, sendPack } from './fixtures/packs.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';
import { jpeg, startTestServer, type TestServer } from './fixtures/test-server.ts';

/** What all open files of this process inherit from. */
let handles: FileHandle;
const logger = recordingLogger();
let app: TestServer;
beforeAll(async () => {
  const path = join(tmpdir(), `bulkhead-full-disk-${process.pid}`);
  const file = await open(path, 'w');
  await file.close();
  await rm(path);
  handles = Object.getPrototypeOf(file);
  app = await startTestServer({
    logger,
    packs: { maxFiles: 10, maxBytes: 1e6, maxFileBytes: 1e5 },
  });
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => app?.close());

function fillDisk(code = 'ENOSPC'): void {
  const refuse = () => Promise.reject(Object.assign(new Error(`${code}: write`), { code }));
  vi.spyOn(handles, 'writev').mockImplementation(refuse);
  vi.spyOn(handles, 'writeFile').mockImplementation(refuse);
}

describe('a disk without room is answered 503 with Retry-After, and takes the same bytes once it has some', () => {
  test('a PUT to the store', async () => {
    const [packed] = await reserved(app.user(), 1);
    const { uploadUrl, method, headers } = packed?.credential ?? expect.fail();
    const put = () => fetch(uploadUrl, { method, headers, body: packed?.file.bytes ?? null });
    fillDisk();
    await expectNoRoom(await put());
    vi.restoreAllMocks();
    expect((await put()).status).toBe(201);
  });

  test('a pack', async () => {
    const user = app.user();
    const packed = await reserved(user, 3);
    const send = () => sendPack(app.apiUrl, user, [...partsOf(packed), END]);
    fillDisk('EDQUOT');
    expect(await send()).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    vi.restoreAllMocks();
    const { status, body } = await send();
    expect(status).toBe(200);
    expect(body.results.every(({ success }: { success: boolean }) => success)).toBe(true);
  });

  test('a form', async () => {
    const user = app.user();
    const send = () => sendForm(app.apiUrl, user, formOf(jpeg('form.jpg')));
    fillDisk();
    expect(await send()).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    vi.restoreAllMocks();
    expect((await send()).status).toBe(200);
  });
});

test('another failure of the disk stays a failure of the server', async () => {
  const [packed] = await reserved(app.user(), 1);
  const { uploadUrl, method, headers } = packed?.credential ?? expect.fail();
  fillDisk('EIO');
  const response = await fetch(uploadUrl, { method, headers, body: packed?.file.bytes ?? null });
  expect(response.status).toBe(500);
});

async function expectNoRoom(response: Response): Promise<void> {
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).toBe('30');
  const { code, detail } = problemSchema.parse(await response.json());
  expect({ code, detail }).toEqual({
    code: 'unavailable',
    detail: 'The server has no room for the file just now',
  });
}
