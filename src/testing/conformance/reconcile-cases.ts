import { apiAnswerCases } from './answer-cases.ts';
import type { CaseTable, TestFile, World } from './bulkhead-world.ts';
import { expectEqual, expectThat, rejectionOf } from './expectations.ts';

async function reconcile(
  { adapter }: World,
  files: readonly TestFile[],
  { signal } = new AbortController(),
) {
  const requests = files.map(({ request: { id, checksum } }) => ({ id, checksum }));
  const results = await adapter.reconcile?.(requests, signal);
  expectThat(results !== undefined, 'The adapter can reconcile');
  return results;
}

const withId = (file: TestFile, id: string): TestFile => ({
  ...file,
  request: { ...file.request, id },
});

async function expectFinalizable(world: World, file: TestFile, assetId: string): Promise<void> {
  const items = [{ ...file.request, assetId }];
  const [outcome] = await world.adapter.finalize(items, new AbortController().signal);
  expectEqual(outcome?.status, 'finalized', 'Finalize');
}

/** For adapters with `reconcile`. */
export const reconcileCases: CaseTable = {
  'reconcile knows what was finalized, what was stored and what was not, in order': async (
    world,
  ) => {
    const unknown = await world.file();
    const granted = await world.file();
    const stored = await world.file();
    const finalized = await world.file();
    await world.grant(granted);
    const { assetId } = await world.store(stored);
    const finalizedId = await world.upload(finalized);
    const results = await reconcile(world, [stored, unknown, finalized, granted]);
    expectEqual(
      results.map((result) => [result.kind, 'assetId' in result ? result.assetId : null]),
      [
        ['uploaded', assetId],
        ['unknown', null],
        ['finalized', finalizedId],
        ['unknown', null],
      ],
      'What is known',
    );
  },

  'reconcile says of a finalized upload what finalize says': async (world) => {
    await world.server.process({ processMs: 60_000 });
    const file = await world.file();
    const credential = await world.store(file);
    const [outcome] = await world.finalize({ credential, file });
    expectThat(outcome?.status === 'finalized', 'It is finalized');
    const { id, isDuplicate, needsProcessing } = outcome.asset;
    const [result] = await reconcile(world, [file]);
    expectThat(result?.kind === 'finalized', 'Reconcile knows');
    const said = [result.assetId, result.isDuplicate, result.needsProcessing];
    expectEqual(said, [id, isDuplicate, needsProcessing], 'What reconcile says');
  },

  'what reconcile calls uploaded can be finalized': async (world) => {
    const file = await world.file();
    await world.store(file);
    const [result] = await reconcile(world, [file]);
    expectThat(result?.kind === 'uploaded', 'It is uploaded');
    await expectFinalizable(world, file, result.assetId);
  },

  'bytes whose PUT had no answer are uploaded to reconcile': async (world) => {
    const file = await world.file();
    await world.server.plan([{ match: { route: 'put' }, at: 'after-commit', do: 'reset' }]);
    // Lost, or stored already when the browser had sent it twice.
    await world.put(await world.grant(file), file).outcome.catch(() => {});
    const [result] = await reconcile(world, [file]);
    expectThat(result?.kind === 'uploaded', 'It is uploaded');
    await expectFinalizable(world, file, result.assetId);
  },

  'bytes that the store does not show yet are unknown to reconcile until it does': async (
    world,
  ) => {
    await world.server.behave({ invisibleLooks: 1 });
    const file = await world.file();
    await world.store(file);
    const kinds: unknown[] = [];
    for (let call = 1; call <= 2; call += 1) {
      const [result] = await reconcile(world, [file]);
      kinds.push(result?.kind);
    }
    expectEqual(kinds, ['unknown', 'uploaded'], 'What is known');
  },

  'the bytes of another upload are a duplicate to reconcile': async (world) => {
    const file = await world.file();
    const assetId = await world.upload(file);
    const [result] = await reconcile(world, [withId(file, crypto.randomUUID())]);
    expectThat(result?.kind === 'finalized', 'The user has these bytes');
    expectEqual([result.assetId, result.isDuplicate], [assetId, true], 'Its asset');
  },

  'an upload of other bytes is unknown to reconcile': async (world) => {
    const file = await world.file();
    await world.store(file);
    const changed = withId(await world.file(), file.request.id);
    const [result] = await reconcile(world, [changed]);
    expectEqual(result?.kind, 'unknown', 'What is known');
  },

  'reconcile changes nothing': async (world) => {
    await world.server.process({ processMs: 60_000 });
    const unknown = await world.file();
    const granted = await world.file();
    const stored = await world.file();
    const finalized = await world.file();
    await world.grant(granted);
    await world.store(stored);
    await world.upload(finalized);
    const held = async () => {
      const { reservations, objects, assets } = await world.server.state();
      return { reservations, objects, assets };
    };
    const before = await held();
    await reconcile(world, [unknown, granted, stored, finalized]);
    expectEqual(await held(), before, 'What the server holds');
  },

  ...apiAnswerCases('reconcile', async (world) => reconcile(world, [await world.file()])),

  'a reconcile can be cancelled': async (world) => {
    await world.server.plan([{ match: { route: 'reconcile' }, do: 'hang' }]);
    const file = await world.file();
    const controller = new AbortController();
    const asked = reconcile(world, [file], controller);
    setTimeout(() => controller.abort(), 50);
    expectEqual((await rejectionOf(asked, 'Cancelling')).code, 'cancelled', 'The code');
  },
};
