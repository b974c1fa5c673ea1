import type { CaseTable, World } from './bulkhead-world.ts';
import { expectEqual, expectThat, rejectionOf } from './expectations.ts';

async function storeFiles(world: World, count: number) {
  const files = await world.files(count);
  return Promise.all(files.map(async (file) => ({ file, credential: await world.store(file) })));
}

export const finalizeCases: CaseTable = {
  'finalize answers in the order of the uploads': async (world) => {
    const uploads = (await storeFiles(world, 5)).reverse();
    const outcomes = await world.finalize(...uploads);
    expectEqual(
      outcomes.map((outcome) => (outcome.status === 'finalized' ? outcome.asset.id : null)),
      uploads.map(({ credential }) => credential.assetId),
      'Assets',
    );
  },

  'finalize repeated gives the same asset and processes it once': async (world) => {
    const uploads = await storeFiles(world, 1);
    const first = await world.finalize(...uploads);
    const second = await world.finalize(...uploads);
    const ids = [first, second].map(([outcome]) =>
      outcome?.status === 'finalized' ? outcome.asset.id : null,
    );
    expectEqual(ids[1], ids[0], 'The asset of the second call');
    const { assets } = await world.server.state();
    expectEqual(
      assets.map(({ runs }) => runs),
      [1],
      'Runs of processing',
    );
  },

  'a finalize whose answer was lost may be repeated': async (world) => {
    const uploads = await storeFiles(world, 2);
    // Every one: on a connection that was used before, browsers send again by themselves.
    await world.server.plan([{ match: { route: 'finalize' }, at: 'after-commit', do: 'close' }]);
    const error = await rejectionOf(world.finalize(...uploads), 'A lost answer');
    expectEqual(error.action, 'transient', 'What it means');
    await world.server.plan([]);
    const outcomes = await world.finalize(...uploads);
    expectEqual(
      outcomes.map(({ status }) => status),
      ['finalized', 'finalized'],
      'Outcomes',
    );
    const { assets } = await world.server.state();
    expectEqual(
      assets.map(({ runs }) => runs),
      [1, 1],
      'Runs of processing',
    );
  },

  'an upload without bytes is a conflict, and the others are finalized': async (world) => {
    const [stored] = await storeFiles(world, 1);
    expectThat(stored !== undefined, 'A stored file');
    const file = await world.file();
    const missing = { file, credential: await world.grant(file) };
    const [first, second] = await world.finalize(missing, stored);
    expectThat(first?.status === 'failed', 'What is not there is not finalized');
    const { code, action } = first.error;
    expectEqual([code, action], ['not_uploaded', 'conflict'], 'The failure');
    expectEqual(second?.status, 'finalized', 'The other');
  },

  'a failure of one file of a batch is a result, not a rejection': async (world) => {
    const uploads = await storeFiles(world, 3);
    await world.server.plan([
      {
        match: { route: 'finalize', filename: 'photo-1.jpg' },
        do: { fileProblem: 'unavailable' },
        times: 1,
      },
    ]);
    const outcomes = await world.finalize(...uploads);
    const statuses = outcomes.map(({ status }) => status);
    expectEqual(statuses, ['finalized', 'failed', 'finalized'], 'Outcomes');
    const [outcome] = await world.finalize(...uploads.slice(1, 2));
    expectEqual(outcome?.status, 'finalized', 'The failed one, repeated alone');
  },

  'the second of two uploads of the same bytes is a duplicate of the first': async (world) => {
    const file = await world.file();
    const twin = { ...file, request: { ...file.request, id: crypto.randomUUID() } };
    const first = { file, credential: await world.store(file) };
    const second = { file: twin, credential: await world.store(twin) };
    await world.finalize(first);
    const [outcome] = await world.finalize(second);
    expectThat(outcome?.status === 'finalized', 'A duplicate is finalized');
    expectEqual(
      [outcome.asset.id, outcome.asset.isDuplicate],
      [first.credential.assetId, true],
      'Its asset',
    );
  },

  'bytes that the store does not show yet are a conflict until it does': async (world) => {
    await world.server.behave({ invisibleLooks: 2 });
    const uploads = await storeFiles(world, 1);
    const actions: unknown[] = [];
    for (let call = 1; call <= 3; call += 1) {
      const [outcome] = await world.finalize(...uploads);
      actions.push(outcome?.status === 'failed' ? outcome.error.action : outcome?.status);
    }
    expectEqual(actions, ['conflict', 'conflict', 'finalized'], 'Outcomes');
  },

  'a checksum that was not promised is refused for good': async (world) => {
    const [upload] = await storeFiles(world, 1);
    expectThat(upload !== undefined, 'A stored file');
    const [outcome] = await world.finalize({ ...upload, file: await world.file() });
    expectThat(outcome?.status === 'failed', 'Another checksum is refused');
    const { code, action } = outcome.error;
    expectEqual([code, action], ['checksum_mismatch', 'permanent'], 'The failure');
  },

  'a finalize can be cancelled': async (world) => {
    await world.server.plan([{ match: { route: 'finalize' }, do: 'hang' }]);
    const controller = new AbortController();
    const { request } = await world.file();
    const items = [{ ...request, assetId: crypto.randomUUID() }];
    const finalizing = world.adapter.finalize(items, controller.signal);
    setTimeout(() => controller.abort(), 50);
    expectEqual((await rejectionOf(finalizing, 'Cancelling')).code, 'cancelled', 'The code');
  },
};
