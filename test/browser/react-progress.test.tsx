import type { Uploader } from 'bulkhead';
import { type ProcessingProgress, UploaderProvider, useProcessingProgress } from 'bulkhead/react';
import { expect, it } from 'vitest';
import { createFaultWorld, type FaultWorld, photos } from '../support/fault-world.ts';
import { openReactPage, type ReactPage } from '../support/react-page.tsx';

const SLOW = { processing: { processMs: 700, embedMs: 700 } };

function watch({ uploader }: FaultWorld): { page: ReactPage; seen: ProcessingProgress[] } {
  const seen: ProcessingProgress[] = [];
  function Progress({ of: uploader }: { of: Uploader }) {
    const progress = useProcessingProgress(uploader);
    seen.push(progress);
    const { uploading, processing, searchable } = progress;
    return (
      <p>
        Uploading: {uploading.done}/{uploading.total} · Processing: {processing.done}/
        {processing.total} · Searchable: {searchable.done}/{searchable.total}
      </p>
    );
  }
  return { page: openReactPage(<Progress of={uploader} />), seen };
}

const lastOf = (seen: readonly ProcessingProgress[]) => seen.at(-1);

it('tells the three stages apart, from the first file to the last', async () => {
  const world = await createFaultWorld({ server: SLOW });
  const { page, seen } = watch(world);
  await world.upload(photos(20));
  await expect.poll(page.text).toBe('Uploading: 20/20 · Processing: 20/20 · Searchable: 20/20');
  const doneOf = (stage: 'uploading' | 'processing' | 'searchable') =>
    seen.map((at) => at[stage].done);
  for (const stage of ['uploading', 'processing', 'searchable'] as const) {
    expect(doneOf(stage)).toEqual(doneOf(stage).toSorted((one, other) => one - other));
  }
  expect(seen.some(({ uploading, processing }) => uploading.done > processing.done)).toBe(true);
  expect(seen.some(({ processing, searchable }) => processing.done > searchable.done)).toBe(true);
  for (const { uploading, processing, searchable } of seen) {
    expect(uploading.done).toBeGreaterThanOrEqual(processing.done);
    expect(processing.done).toBeGreaterThanOrEqual(searchable.done);
  }
  expect(lastOf(seen)).toMatchObject({
    isDone: true,
    failed: 0,
    server: { total: expect.any(Number) },
  });
  expect(
    seen.filter(({ isDone }) => isDone).every(({ searchable }) => searchable.done === 20),
  ).toBe(true);
  await world.verify();
});

it('opens one stream for all components when there is work, and closes it when everything is done', async () => {
  const world = await createFaultWorld({ server: SLOW });
  const { seen } = watch(world);
  watch(world);
  watch(world);
  await expect.poll(() => seen.length).toBeGreaterThan(0);
  expect(await world.requests('events')).toEqual([]);
  await world.upload(photos(5));
  await expect.poll(() => lastOf(seen)?.isDone).toBe(true);
  const ways = seen
    .map(({ connection }) => connection)
    .filter((way, at, all) => way !== all[at - 1]);
  expect(ways).toEqual(['off', 'stream', 'off']);
  const streams = await world.requests('events');
  expect(streams).toHaveLength(1);
  await expect.poll(async () => (await world.requests('events'))[0]?.endedAtMs).not.toBeNull();
  await world.verify();
});

it('goes on over a stream that breaks', async () => {
  const world = await createFaultWorld({ server: SLOW });
  const { seen } = watch(world);
  await world.add(photos(5));
  await expect.poll(() => lastOf(seen)?.connection).toBe('stream');
  await world.server.dropStreams();
  await expect.poll(() => lastOf(seen)?.isDone).toBe(true);
  expect((await world.requests('events')).length).toBeGreaterThan(1);
  expect(lastOf(seen)?.searchable).toEqual({ done: 5, total: 5 });
  await world.verify();
});

it('asks instead where streams do not get through', async () => {
  const world = await createFaultWorld({ server: SLOW });
  await world.server.down('events', 'reset');
  const { seen } = watch(world);
  await world.add(photos(5));
  await expect.poll(() => lastOf(seen)?.isDone, { timeout: 25_000 }).toBe(true);
  expect(seen.map(({ connection }) => connection)).not.toContain('stream');
  expect(lastOf(seen)?.searchable).toEqual({ done: 5, total: 5 });
  await world.verify();
});

it('is done when what is left has failed, and says how many did', async () => {
  const failures = [{ filename: 'photo-1.jpg' }];
  const world = await createFaultWorld({
    server: { processing: { failures, processMs: 5, embedMs: 5 } },
  });
  const { seen } = watch(world);
  await world.upload(photos(3));
  await expect.poll(() => lastOf(seen)).toMatchObject({ isDone: true, failed: 1 });
  expect(lastOf(seen)?.searchable).toEqual({ done: 2, total: 3 });
  await world.verify();
});

it('is not done while files wait for the person', async () => {
  const world = await createFaultWorld({ uploader: { autoStart: false } });
  const { seen } = watch(world);
  await world.add(photos(2));
  await expect.poll(() => lastOf(seen)?.uploading.total).toBe(2);
  expect(lastOf(seen)?.isDone).toBe(false);
  world.uploader.start();
  await expect.poll(() => lastOf(seen)?.isDone).toBe(true);
  await world.verify();
});

it('renders for its numbers alone, not for bytes and speeds', async () => {
  const world = await createFaultWorld();
  const { seen } = watch(world);
  await world.upload(photos(12, 200_000));
  await expect.poll(() => lastOf(seen)?.isDone).toBe(true);
  seen.forEach((progress, at) => {
    expect(progress).not.toEqual(seen[at - 1] ?? null);
  });
  await world.verify();
});

it('follows the uploader of the provider above it', async () => {
  const world = await createFaultWorld();
  function Searchable() {
    return `${useProcessingProgress().searchable.done} searchable`;
  }
  const page = openReactPage(
    <UploaderProvider uploader={world.uploader}>
      <Searchable />
    </UploaderProvider>,
    { strict: true },
  );
  await world.upload(photos(2));
  await expect.poll(page.text).toBe('2 searchable');
  await world.verify();
});
