import type { CaseTable, World } from './bulkhead-world.ts';
import { eventually, expectEqual, expectThat, rejectionOf } from './expectations.ts';

/** More than the buffers of both ends' sockets hold, so that a part of it is still to be sent. */
const LARGE_BYTES = 32 * 1024 * 1024;

/** Whatever an ambiguous PUT gave: unknown, or "stored already" when the browser had sent it twice. */
async function expectAmbiguous(outcome: Promise<unknown>, what: string): Promise<void> {
  try {
    expectEqual(await outcome, 'lost', what);
  } catch (error) {
    if (!(error instanceof Error) || !('action' in error)) throw error;
    expectEqual(error.action, 'exists', what);
  }
}

async function expectNothingStored(world: World): Promise<void> {
  expectEqual((await world.server.state()).objects.length, 0, 'Objects in the store');
}

export const putCases: CaseTable = {
  'a PUT sends the very bytes, with the headers of its credential': async (world) => {
    const file = await world.file({ sizeBytes: 1_500_000 });
    const { pathname, headers } = await world.store(file);
    const { objects } = await world.server.state();
    const { checksum, sizeBytes } = file.request;
    expectEqual(
      objects.map((object) => [object.key, object.checksum, object.sizeBytes]),
      [[pathname, checksum, sizeBytes]],
      'What is stored',
    );
    expectEqual(objects[0]?.contentType, headers['content-type'], 'Content type');
    expectEqual((await world.puts()).length, 1, 'PUTs');
  },

  'a cancelled PUT ends at once and leaves nothing': async (world) => {
    const file = await world.file({ sizeBytes: LARGE_BYTES, isHashed: false });
    // Slow, not hung: a server that reads no more does not see the end either.
    const slow = { trickleBytesPerSecond: 16_000_000 };
    await world.server.plan([{ match: { route: 'put' }, do: slow }]);
    const { outcome, controller } = world.put(await world.grant(file), file);
    await eventually(async () => (await world.puts()).length === 1, 'the PUT arrives');
    const cancelledMs = performance.now();
    controller.abort();
    expectEqual((await rejectionOf(outcome, 'Cancelling')).code, 'cancelled', 'The code');
    expectThat(performance.now() - cancelledMs < 1_000, 'Cancelling takes less than a second');
    await eventually(async () => (await world.puts())[0]?.endedAtMs !== null, 'the server sees it');
    await expectNothingStored(world);
  },

  'a PUT that was cancelled beforehand sends nothing': async (world) => {
    const file = await world.file();
    const credential = await world.grant(file);
    const signal = AbortSignal.abort();
    const { request: upload, body } = file;
    const request = { upload, credential, body, signal, onProgress: () => {} };
    const error = await rejectionOf(world.adapter.put(request), 'Cancelling');
    expectEqual(error.code, 'cancelled', 'The code');
    expectEqual((await world.puts()).length, 0, 'PUTs');
  },

  'a PUT of what is stored already says so and replaces nothing': async (world) => {
    const file = await world.file();
    const credential = await world.store(file);
    const error = await rejectionOf(world.put(credential, file).outcome, 'The second PUT');
    expectEqual(error.action, 'exists', 'What it means');
    expectEqual((await world.server.state()).objects.length, 1, 'Objects');
  },

  'bytes other than those promised are refused for good': async (world) => {
    const [file, other] = await world.files(2);
    expectThat(file !== undefined && other !== undefined, 'Two files');
    const credential = await world.grant(file);
    const error = await rejectionOf(world.put(credential, other).outcome, 'Other bytes');
    expectEqual([error.code, error.action], ['checksum_mismatch', 'permanent'], 'The refusal');
    await expectNothingStored(world);
  },

  'a body of another size is refused for good': async (world) => {
    const file = await world.file();
    const longer = await world.file({ sizeBytes: 30_000 });
    const credential = await world.grant(file);
    const error = await rejectionOf(world.put(credential, longer).outcome, 'Another size');
    expectEqual([error.code, error.action], ['size_mismatch', 'permanent'], 'The refusal');
    await expectNothingStored(world);
  },

  'a connection that breaks amid the bytes is a network failure': async (world) => {
    const file = await world.file({ sizeBytes: LARGE_BYTES, isHashed: false });
    await world.server.plan([{ match: { route: 'put' }, at: 'body:65536', do: 'reset' }]);
    const { outcome } = world.put(await world.grant(file), file);
    const error = await rejectionOf(outcome, 'A reset');
    expectEqual([error.kind, error.action], ['network', 'transient'], 'The failure');
  },

  'a PUT whose answer is lost is unknown, never failed': async (world) => {
    const file = await world.file();
    await world.server.plan([{ match: { route: 'put' }, at: 'after-commit', do: 'reset' }]);
    const credential = await world.grant(file);
    await expectAmbiguous(world.put(credential, file).outcome, 'A lost answer');
    const [outcome] = await world.finalize({ credential, file });
    expectEqual(outcome?.status, 'finalized', 'Finalize knows');
  },

  'an error after the bytes were stored leads to one object': async (world) => {
    const file = await world.file();
    await world.server.plan([
      { match: { route: 'put' }, at: 'after-commit', do: { status: 500 }, times: 1 },
    ]);
    const credential = await world.grant(file);
    const first = await rejectionOf(world.put(credential, file).outcome, 'The error');
    expectEqual(first.action, 'transient', 'What the error means');
    const second = await rejectionOf(world.put(credential, file).outcome, 'Again');
    expectEqual(second.action, 'exists', 'What the second answer means');
    const [outcome] = await world.finalize({ credential, file });
    expectEqual(outcome?.status, 'finalized', 'Finalize');
  },

  'an expired URL asks for another one, which works': async (world) => {
    const file = await world.file();
    const credential = await world.grant(file);
    await world.server.advance(credential.expiresInMs + 1_000);
    const error = await rejectionOf(world.put(credential, file).outcome, 'An expired URL');
    expectEqual(error.action, 'refresh', 'What it means');
    const renewed = await world.grant(file);
    expectEqual(renewed.assetId, credential.assetId, 'The asset');
    expectEqual(await world.put(renewed, file).outcome, 'stored', 'The PUT with the new one');
  },

  'a page that answers in the store’s place is found out': async (world) => {
    const file = await world.file();
    await world.server.plan([{ match: { route: 'put' }, do: 'captive-portal' }]);
    const credential = await world.grant(file);
    const answer = await world.put(credential, file).outcome.catch(({ action }) => action);
    expectThat(answer !== 'permanent', 'It is no reason to give the file up');
    const [outcome] = await world.finalize({ credential, file });
    expectThat(outcome?.status === 'failed', 'Finalize knows better');
    expectEqual(outcome.error.action, 'conflict', 'What it means');
  },

  'a store without CORS headers is no success': async (world) => {
    const file = await world.file();
    const credential = await world.grant(file);
    await world.server.behave({ hasCors: false });
    const answer = await world.put(credential, file).outcome.catch(({ kind }) => kind);
    expectThat(answer === 'lost' || answer === 'network', `Expected no success, got ${answer}`);
  },

  'a hidden ETag does not matter': async (world) => {
    await world.server.behave({ exposesEtag: false });
    await world.store(await world.file());
  },
};

/** For adapters that tell how much was sent. */
export const progressCases: CaseTable = {
  'progress grows up to the size of the file': async (world) => {
    const file = await world.file({ sizeBytes: 4_000_000 });
    const { outcome, progress } = world.put(await world.grant(file), file);
    await outcome;
    expectEqual(progress.at(-1), file.request.sizeBytes, 'The last progress');
    const sorted = [...progress].sort((a, b) => a - b);
    expectEqual(progress, sorted, 'Progress in its order');
  },
};

/** For adapters that end what does not move. */
export const stallCases: CaseTable = {
  'an upload that does not move is ended as a network failure': async (world) => {
    const file = await world.file({ sizeBytes: LARGE_BYTES, isHashed: false });
    await world.server.plan([{ match: { route: 'put' }, at: 'body:1', do: 'hang' }]);
    const { outcome } = world.put(await world.grant(file), file, world.hurried);
    const error = await rejectionOf(outcome, 'A stalled upload');
    expectEqual([error.code, error.action], ['stalled', 'transient'], 'The failure');
  },

  'a store that is silent after the last byte leaves the PUT unknown': async (world) => {
    const file = await world.file();
    await world.server.plan([{ match: { route: 'put' }, at: 'after-commit', do: 'hang' }]);
    const credential = await world.grant(file);
    expectEqual(await world.put(credential, file, world.hurried).outcome, 'lost', 'Silence');
  },

  'a slow upload is not ended as long as it moves': async (world) => {
    // Longer than a stall in all, while what the sockets' buffers hold takes less than one.
    const file = await world.file({ sizeBytes: LARGE_BYTES });
    const slow = { trickleBytesPerSecond: 16_000_000 };
    await world.server.plan([{ match: { route: 'put' }, do: slow }]);
    const credential = await world.grant(file);
    expectEqual(await world.put(credential, file, world.hurried).outcome, 'stored', 'Slowness');
  },
};
