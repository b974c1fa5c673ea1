import { describe, expect, it } from 'vitest';
import { all, createFaultWorld, type FaultWorld, photos } from '../support/fault-world.ts';

const STAGES = ['processing', 'embedding', 'searchable'];

/** No upload ever went back to an earlier stage. */
function expectForward({ run }: FaultWorld): void {
  const back = run.changes.filter(
    ({ from, to }) => STAGES.includes(to) && STAGES.indexOf(to) < STAGES.indexOf(from),
  );
  expect(back).toEqual([]);
}

function finalized({ uploader }: FaultWorld): Promise<void> {
  return new Promise((resolve) => uploader.on('upload-finalized', () => resolve()));
}

describe.concurrent('the event stream', { timeout: 30_000 }, () => {
  it('69: a stream that breaks is opened again where it ended', async () => {
    const world = await createFaultWorld({
      server: { processing: { processMs: 300, embedMs: 100 } },
    });
    await world.server.behave({ latencyMs: 20 });
    const isGoing = finalized(world);
    await world.add(photos(40));
    await isGoing;
    await new Promise((resolve) => setTimeout(resolve, 350));
    await world.server.dropStreams();
    await world.uploader.done();
    expect(world.statuses()).toEqual(all(40));
    const streams = await world.requests('events');
    expect(streams.length).toBeGreaterThan(1);
    expect(Number(streams.at(-1)?.headers['last-event-id'])).toBeGreaterThan(0);
    expectForward(world);
    await world.verify();
  });

  it.each([
    ['cuts it', 'reset'],
    ['answers with a page', 'captive-portal'],
    ['answers 502', { status: 502 }],
  ] as const)(
    '69: a network that lets no stream through (%s) is polled instead, until it does',
    async (_, how) => {
      const world = await createFaultWorld({
        server: { processing: { processMs: 4_000, embedMs: 100 } },
      });
      const watching = (how: string) =>
        expect.poll(() => world.uploader.getSnapshot().watch).toBe(how);
      await world.add(photos(10));
      await watching('stream');
      await world.server.down('events', how);
      await world.server.dropStreams();
      await watching('polling');
      await expect.poll(() => world.uploader.getSnapshot().serverStats?.uploaded).toBe(10);
      await world.server.up('events');
      await watching('stream');
      await world.uploader.done();
      expect(world.statuses()).toEqual(all(10));
      await world.verify();
    },
  );

  it.each(['muted', 'reversed', 'repeated'] as const)(
    '70: events that are %s leave every upload where the server has it, and none goes back',
    async (events) => {
      const world = await createFaultWorld({
        server: { behaviour: { events }, processing: { processMs: 60, embedMs: 60 } },
      });
      await world.upload(photos(30));
      expect(world.statuses()).toEqual(all(30));
      expectForward(world);
      await world.verify();
    },
  );

  it('35: eight hours of sleep cost no attempt and no refused PUT, and the stream goes on', async () => {
    const world = await createFaultWorld();
    const { uploader } = world;
    await world.server.behave({ latencyMs: 40 });
    const asleep = new Promise<void>((resolve) => {
      const stop = uploader.on('upload-changed', ({ upload }) => {
        if (upload.status !== 'uploaded') return;
        stop();
        // What sleeps does nothing.
        uploader.pause();
        resolve();
      });
    });
    await world.add(photos(60));
    await asleep;
    await world.quiet();
    expect(world.statuses()).toContain('ready');
    // The wall clock moved on, here and there; the page's own clock stood still.
    world.runtime.jump(8 * 3_600_000);
    await world.server.advance(8 * 3_600_000);
    await world.server.dropStreams();
    uploader.resume();
    await uploader.done();
    expect(world.statuses()).toEqual(all(60));
    // Those that waited asked for a new URL first.
    expect((await world.requests('put')).filter(({ status }) => status === 403)).toEqual([]);
    for (const { attempts } of uploader.uploads()) expect(attempts.put).toBe(0);
    await world.verify();
  });
});
