import type { AdapterCases, AdapterWorld, UploadUnderTest } from './adapter-world.ts';
import { eventually, expectEqual, expectThat, rejectionOf } from './expectations.ts';
import type { TestFile } from './test-file.ts';

const MIB = 1024 * 1024;
/** More than the buffers of both ends' sockets hold. */
const LARGE_BYTES = 12 * MIB;

export async function expectStored(
  { backend }: AdapterWorld,
  upload: UploadUnderTest,
  { request }: Pick<TestFile, 'request'> = upload,
): Promise<void> {
  const stored = await backend.readStored(upload);
  const { sizeBytes, checksum } = request;
  const what = stored && { sizeBytes: stored.sizeBytes, checksum: stored.checksum };
  expectEqual(what, { sizeBytes, checksum }, 'What is stored');
}

async function expectNothingStored(world: AdapterWorld, upload: UploadUnderTest): Promise<void> {
  const stored = await world.backend.readStored(upload);
  expectEqual(stored ?? null, null, 'What is stored');
}

async function expectCount({ backend }: AdapterWorld, count: number): Promise<void> {
  if (backend.countStored) expectEqual(await backend.countStored(), count, 'Stored files');
}

const statusesOf = (results: readonly { readonly status: string }[]) =>
  results.map(({ status }) => status);

/** For every adapter. */
export const everyCase: AdapterCases = {
  'credentials come in the order of the files, one for each': async (world) => {
    const files = await Promise.all([1, 2, 3, 4, 5].map(() => world.file()));
    const requests = files.map(({ request }) => request);
    const results = await world.adapter.credentials(requests, new AbortController().signal);
    expectEqual(
      statusesOf(results),
      files.map(() => 'granted'),
      'Results',
    );
    const ids = results.map((result) => 'credential' in result && result.credential.assetId);
    expectEqual(new Set(ids).size, files.length, 'Different assets');
    for (const [at, file] of files.entries()) {
      const again = await world.grant(file);
      expectEqual(again.assetId, ids[at], 'The asset of the file at its place, asked again');
    }
  },

  'the very bytes are stored, whatever the file is called': async (world) => {
    const file = await world.file({ sizeBytes: 1_500_000, name: 'Gött “a+b” #1 %2F ñ.jpg' });
    await expectStored(world, await world.upload(file));
  },

  'a file of one byte is stored': async (world) => {
    const file = await world.file({ sizeBytes: 1 });
    await expectStored(world, await world.upload(file));
  },

  'finalize answers in the order of the uploads': async (world) => {
    const files = await Promise.all([1, 2, 3].map(() => world.file()));
    const uploads: UploadUnderTest[] = [];
    for (const file of files) {
      const credential = await world.grant(file);
      const outcome = await world.put(credential, file).outcome;
      // Where the PUT itself is all there is to do, finalize is never asked.
      if (typeof outcome === 'object') return;
      expectEqual(outcome, 'stored', 'A PUT that nothing disturbs');
      uploads.push({ ...file, credential });
    }
    uploads.reverse();
    const outcomes = await world.finalize(...uploads);
    expectEqual(statusesOf(outcomes), ['finalized', 'finalized', 'finalized'], 'Outcomes');
    for (const [at, outcome] of outcomes.entries()) {
      const upload = uploads[at];
      if (!upload || outcome.status !== 'finalized') continue;
      await expectStored(world, { ...upload, asset: outcome.asset });
    }
  },

  'a PUT that was cancelled beforehand stores nothing': async (world) => {
    const file = await world.file();
    const credential = await world.grant(file);
    const { request: upload, body } = file;
    const signal = AbortSignal.abort();
    const put = world.adapter.put({ upload, credential, body, signal, onProgress: () => {} });
    expectEqual((await rejectionOf(put, 'Cancelling')).code, 'cancelled', 'The code');
    await expectNothingStored(world, { ...file, credential });
  },

  'a PUT that is repeated changes nothing that is stored': async (world) => {
    const file = await world.file();
    const credential = await world.grant(file);
    await world.put(credential, file).outcome;
    await world.put(credential, file).outcome.catch(({ action }) => {
      expectEqual(action, 'exists', 'What a refused repetition means');
    });
    await expectStored(world, await world.upload(file));
    await expectCount(world, 1);
  },
};

/** For adapters that tell how much was sent. */
export const progressCases: AdapterCases = {
  'progress grows up to the size of the file': async (world) => {
    const file = await world.file({ sizeBytes: 3_000_000 });
    const { outcome, progress } = world.put(await world.grant(file), file);
    await outcome;
    expectEqual(progress.at(-1), file.request.sizeBytes, 'The last progress');
    const sorted = [...progress].sort((a, b) => a - b);
    expectEqual(progress, sorted, 'Progress in its order');
  },
};

/** Where the backend can be disturbed. */
export const faultCases: AdapterCases = {
  'a cancelled PUT ends at once and stores nothing': async (world) => {
    const file = await world.file({ sizeBytes: LARGE_BYTES });
    await world.backend.faults?.slowDown(2 * MIB);
    const credential = await world.grant(file);
    const { outcome, progress, controller } = world.put(credential, file);
    await eventually(() => progress.some((sentBytes) => sentBytes > 0), 'some of it is sent');
    const cancelledMs = performance.now();
    controller.abort();
    expectEqual((await rejectionOf(outcome, 'Cancelling')).code, 'cancelled', 'The code');
    expectThat(performance.now() - cancelledMs < 1_000, 'Cancelling takes less than a second');
    await expectNothingStored(world, { ...file, credential });
  },

  'a connection that breaks amid the bytes leaves nothing half stored': async (world) => {
    const file = await world.file({ sizeBytes: LARGE_BYTES });
    await world.backend.faults?.breakAfter(3 * MIB);
    await expectStored(world, await world.upload(file));
    await expectCount(world, 1);
  },

  'an upload whose answer was lost is stored all the same': async (world) => {
    const file = await world.file();
    await world.backend.faults?.loseAnswer();
    await expectStored(world, await world.upload(file));
  },
};

/** For adapters whose repeated uploads leave no second file. */
export const onceCases: AdapterCases = {
  'an upload whose answer was lost is stored once': async (world) => {
    const file = await world.file();
    await world.backend.faults?.loseAnswer();
    await world.upload(file);
    await expectCount(world, 1);
  },
};

/** For adapters with `capabilities.createOnly`. */
export const createOnlyCases: AdapterCases = {
  'create-only: a second PUT says that it is there, and replaces nothing': async (world) => {
    const file = await world.file();
    const credential = await world.grant(file);
    const first = await world.put(credential, file).outcome;
    expectThat(first !== 'lost', 'The first PUT is stored');
    const other = await world.file();
    const body = other.body;
    const error = await rejectionOf(world.put(credential, { ...file, body }).outcome, 'The second');
    const isRefused = error.action === 'exists' || error.code === 'checksum_mismatch';
    expectThat(isRefused, `Stored already, got ${error.code}`);
    const asset = typeof first === 'object' ? { asset: first.finalized } : {};
    await expectStored(world, { ...file, credential, ...asset });
  },
};

/** For adapters with `capabilities.checksum: 'sha256'`. */
export const checksumCases: AdapterCases = {
  'checksums: bytes other than those promised are refused for good': async (world) => {
    const file = await world.file();
    const { body } = await world.file();
    const credential = await world.grant(file);
    const error = await rejectionOf(world.put(credential, { ...file, body }).outcome, 'The PUT');
    expectEqual([error.code, error.action], ['checksum_mismatch', 'permanent'], 'The refusal');
    await expectNothingStored(world, { ...file, credential });
    const query = credential.uploadUrl.split('?')[1] ?? '';
    const isShown = query !== '' && JSON.stringify(error.toFailure()).includes(query);
    expectThat(!isShown, 'The failure shows its URL');
  },
};

/** For adapters with `head`. */
export const headCases: AdapterCases = {
  'head tells what is stored from what is not, in order': async (world) => {
    const stored = await world.file();
    const missing = await world.file();
    const uploads = [];
    for (const file of [missing, stored]) {
      uploads.push({ ...file, credential: await world.grant(file) });
    }
    const [, upload] = uploads;
    expectThat(upload !== undefined, 'Two uploads');
    const outcome = await world.put(upload.credential, stored).outcome;
    // What is finalized is asked about no more.
    if (typeof outcome === 'object') return;
    expectEqual(await world.head(...uploads), [false, true], 'What is stored');
  },
};

/** For adapters with `capabilities.verifiesAtFinalize`. */
export const verifyingCases: AdapterCases = {
  'finalize finds out what was not stored': async (world) => {
    const file = await world.file();
    const [outcome] = await world.finalize({ ...file, credential: await world.grant(file) });
    expectThat(outcome?.status === 'failed', 'It is not finalized');
    expectEqual(outcome.error.action, 'conflict', 'What it means');
  },
};
