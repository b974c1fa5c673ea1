import type { CaseTable } from './bulkhead-world.ts';
import { expectEqual, expectThat, rejectionOf } from './expectations.ts';

const assetIdsOf = (results: readonly object[]) =>
  results.map((result) =>
    'credential' in result ? (result.credential as { assetId: string }).assetId : null,
  );

export const credentialCases: CaseTable = {
  'credentials come in the order of the files, each for its own': async (world) => {
    const files = await world.files(7);
    const results = await world.ask(...files);
    expectEqual(
      results.map(({ status }) => status),
      files.map(() => 'granted'),
      'Every file is granted',
    );
    const { reservations } = await world.server.state();
    const checksums = assetIdsOf(results).map(
      (id) => reservations.find(({ assetId }) => assetId === id)?.checksum,
    );
    const wanted = files.map(({ request }) => request.checksum);
    expectEqual(checksums, wanted, 'Each result is for the file at its place');
  },

  'the same upload asked again gets the same asset': async (world) => {
    const file = await world.file();
    const first = assetIdsOf(await world.ask(file));
    expectEqual(assetIdsOf(await world.ask(file)), first, 'The asset of the second call');
    expectEqual((await world.server.state()).reservations.length, 1, 'Reservations');
  },

  'credentials whose answer was lost are the same when asked again': async (world) => {
    const files = await world.files(3);
    // Every one: on a connection that was used before, browsers send again by themselves.
    await world.server.plan([{ match: { route: 'credentials' }, at: 'after-commit', do: 'close' }]);
    const error = await rejectionOf(world.ask(...files), 'A lost answer');
    expectEqual(error.action, 'transient', 'What it means');
    await world.server.plan([]);
    await world.ask(...files);
    expectEqual((await world.server.state()).reservations.length, 3, 'Reservations');
  },

  'bytes that the user has are a duplicate of their asset': async (world) => {
    const file = await world.file();
    const assetId = await world.upload(file);
    const again = { ...file, request: { ...file.request, id: crypto.randomUUID() } };
    const fresh = await world.file();
    const results = await world.ask(fresh, again);
    expectEqual(results[0]?.status, 'granted', 'The other file');
    expectEqual(results[1], { status: 'duplicate', assetId }, 'The duplicate');
  },

  'one refused file does not keep the others from their credentials': async (world) => {
    const files = await world.files(3);
    await world.server.plan([
      {
        match: { route: 'credentials', filename: 'photo-1.jpg' },
        do: { fileProblem: 'unsupported_type', detail: 'Not taken' },
      },
    ]);
    const results = await world.ask(...files);
    expectEqual(
      results.map(({ status }) => status),
      ['granted', 'failed', 'granted'],
      'Results',
    );
    const [, refused] = results;
    expectThat(refused?.status === 'failed', 'The second file is refused');
    const { code, action } = refused.error;
    expectEqual([code, action], ['unsupported_type', 'permanent'], 'The refusal');
  },

  'a request for credentials can be cancelled': async (world) => {
    await world.server.plan([{ match: { route: 'credentials' }, do: 'hang' }]);
    const { request } = await world.file();
    const controller = new AbortController();
    const asked = world.adapter.credentials([request], controller.signal);
    setTimeout(() => controller.abort(), 50);
    expectEqual((await rejectionOf(asked, 'Cancelling')).code, 'cancelled', 'The code');
  },
};
