import type { CaseTable } from './bulkhead-world.ts';
import { eventually, expectEqual, expectThat } from './expectations.ts';

/** For adapters with `watch`. */
export const watchCases: CaseTable = {
  'watching tells when it is connected, what changes, and the counts': async (world) => {
    const { changes, stats, connections, stop } = world.watch();
    try {
      await eventually(() => connections.includes('stream'), 'the stream opens');
      const assetId = await world.upload(await world.file());
      const isSearchable = () =>
        changes.some(({ id, stage }) => id === assetId && stage === 'searchable');
      await eventually(isSearchable, 'the asset is said to be searchable');
      await eventually(() => stats.at(-1)?.embedded === 1, 'the counts say so');
    } finally {
      stop();
    }
  },

  'watching goes on after the stream broke, without missing a change': async (world) => {
    const { changes, connections, stop } = world.watch();
    try {
      await eventually(() => connections.includes('stream'), 'the stream opens');
      await world.upload(await world.file());
      await eventually(() => changes.length > 0, 'a first change arrives');
      await world.server.down('events');
      await world.server.dropStreams();
      await eventually(() => connections.includes('lost'), 'the break is told');
      const assetId = await world.upload(await world.file());
      await world.server.up('events');
      const isSearchable = () =>
        changes.some(({ id, stage }) => id === assetId && stage === 'searchable');
      // EventSource waits longer with every failure.
      await eventually(isSearchable, 'what was missed arrives', 10_000);
    } finally {
      stop();
    }
  },

  'a watch that is stopped closes its stream and stays silent': async (world) => {
    const { changes, connections, stop } = world.watch();
    await eventually(() => connections.includes('stream'), 'the stream opens');
    stop();
    await eventually(
      async () => (await world.server.state()).streams === 0,
      'the stream is closed',
    );
    await world.upload(await world.file());
    expectEqual(changes, [], 'Changes after the end');
  },
};

/** For adapters with `assetChanges`. */
export const changesCases: CaseTable = {
  'asked for changes, it tells those it knows and leaves out the others': async (world) => {
    const assetId = await world.upload(await world.file());
    const ids = [crypto.randomUUID(), assetId];
    const { signal } = new AbortController();
    const changes = await world.adapter.assetChanges?.(ids, signal);
    expectEqual(
      changes?.map(({ id }) => id),
      [assetId],
      'Changes',
    );
    await eventually(async () => {
      const [change] = (await world.adapter.assetChanges?.(ids, signal)) ?? [];
      return change?.stage === 'searchable';
    }, 'it becomes searchable');
  },
};

/** For adapters with `retryProcessing`. */
export const retryCases: CaseTable = {
  'an asset that failed in processing can be processed again': async (world) => {
    await world.server.process({ failures: [{ filename: 'photo.jpg', times: 1 }] });
    const assetId = await world.upload(await world.file());
    const stage = async () => (await world.server.state()).assets[0]?.stage;
    await eventually(async () => (await stage()) === 'failed', 'processing fails');
    expectThat(world.adapter.retryProcessing !== undefined, 'The adapter can retry');
    await world.adapter.retryProcessing(assetId, new AbortController().signal);
    await eventually(async () => (await stage()) === 'searchable', 'it is searchable');
  },
};
