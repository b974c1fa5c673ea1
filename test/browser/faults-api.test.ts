import { describe, expect, it } from 'vitest';
import { all, createFaultWorld, pause, photos } from '../support/fault-world.ts';

describe.concurrent('an answer of the API that is lost or in parts', { timeout: 30_000 }, () => {
  it('16: a finalize whose answer is lost is repeated, and one asset results', async () => {
    const world = await createFaultWorld();
    const match = { route: 'finalize', nth: { to: 3 } } as const;
    await world.server.plan([{ match, at: 'after-commit', do: 'close' }]);
    await world.upload(photos(20));
    expect(world.statuses()).toEqual(all(20));
    const { assets } = await world.server.state();
    expect(assets.map(({ runs }) => runs)).toEqual(Array(20).fill(1));
    expect(Object.values(await world.putsByName())).toEqual(Array(20).fill(1));
    await world.verify();
  });

  it('17: an object that the store shows late is asked for again, not sent again', async () => {
    const world = await createFaultWorld({ server: { behaviour: { invisibleLooks: 2 } } });
    await world.upload(photos(20));
    expect(world.statuses()).toEqual(all(20));
    expect(Object.values(await world.putsByName())).toEqual(Array(20).fill(1));
    for (const { attempts } of world.uploader.uploads()) expect(attempts.finalize).toBe(2);
    await world.verify();
  });

  it('18: credentials whose answer is lost are asked for again under the same ids', async () => {
    const world = await createFaultWorld();
    const match = { route: 'credentials', nth: { to: 3 } } as const;
    await world.server.plan([{ match, at: 'after-commit', do: 'close' }]);
    await world.upload(photos(20));
    expect(world.statuses()).toEqual(all(20));
    expect((await world.server.state()).reservations).toHaveLength(20);
    await world.verify();
  });

  it('19: of a finalize that fails in part only the failed files are repeated', async () => {
    const world = await createFaultWorld();
    const match = { route: 'finalize', filename: 'photo-1*', nth: 1, countBy: 'file' } as const;
    const never = { route: 'finalize', filename: 'photo-5.jpg' } as const;
    await world.server.plan([
      { match, do: { fileProblem: 'internal' } },
      { match: never, do: { fileProblem: 'not_an_image' } },
    ]);
    await world.upload(photos(20));
    const refused = world.uploader.failures();
    expect(refused).toMatchObject([{ name: 'photo-5.jpg', failure: { code: 'not_an_image' } }]);
    expect(world.statuses().filter((status) => status === 'searchable')).toHaveLength(19);
    const asked: Record<string, number> = {};
    for (const { filenames } of await world.requests('finalize')) {
      for (const name of filenames) asked[name] = (asked[name] ?? 0) + 1;
    }
    for (const [name, times] of Object.entries(asked)) {
      expect(times, name).toBe(name.startsWith('photo-1') ? 2 : 1);
    }
    await world.verify();
  });
});

describe.concurrent('outages', { timeout: 30_000 }, () => {
  it.each(['reset', 'close'] as const)(
    '20: an API that is away (%s) fails no file, and what was granted arrives meanwhile',
    async (how) => {
      const world = await createFaultWorld();
      await world.server.behave({ latencyMs: 20 });
      await world.add(photos(40));
      await pause(150);
      await world.server.down(['credentials', 'finalize', 'changes', 'stats'], how);
      await pause(2_000);
      const { wait, failed } = world.uploader.getSnapshot();
      expect(wait?.kind).toBe('network');
      expect(failed).toBe(0);
      const during = (await world.requests('credentials', 'finalize')).filter(({ faults }) =>
        faults.some((fault) => fault.endsWith('outage')),
      );
      // Two lanes, 80 s of their time.
      expect(during.length).toBeLessThan(60);
      await world.server.up();
      await world.uploader.done();
      expect(world.statuses()).toEqual(all(40));
      await world.verify();
    },
  );

  it.each([
    ['cuts connections', 'reset', 'network'],
    ['answers 502', { status: 502 }, 'server'],
  ] as const)(
    '21: a store that is away (%s) fails no file, and hashing goes on',
    async (_, how, kind) => {
      const world = await createFaultWorld();
      await world.server.down('put', how);
      await world.add(photos(60));
      await pause(1_500);
      const { wait, failed, byStatus } = world.uploader.getSnapshot();
      expect(wait?.kind).toBe(kind);
      expect([failed, byStatus.queued, byStatus.hashing]).toEqual([0, 0, 0]);
      expect((await world.requests('put')).length).toBeLessThan(40);
      await world.server.up();
      await world.uploader.done();
      expect(world.statuses()).toEqual(all(60));
      await world.verify();
    },
  );

  it('22: a network that comes and goes five times costs no attempt and no file', async () => {
    const world = await createFaultWorld();
    await world.add(photos(40));
    for (let time = 0; time < 5; time += 1) {
      world.runtime.setOnline(false);
      await world.server.down();
      await pause(150);
      await world.server.up();
      world.runtime.setOnline(true);
      await pause(100);
    }
    await world.uploader.done();
    expect(world.statuses()).toEqual(all(40));
    for (const { attempts } of world.uploader.uploads()) {
      expect(attempts).toMatchObject({ put: 0, credentials: 0, finalize: 0 });
    }
    await world.verify();
  });

  it('23: a network that is gone without a word of the browser is found out by its errors', async () => {
    const world = await createFaultWorld();
    await world.add(photos(40));
    await world.server.down();
    await pause(1_500);
    expect(world.runtime.isOnline()).toBe(true);
    expect(world.uploader.getSnapshot()).toMatchObject({
      state: 'waiting',
      failed: 0,
      wait: { kind: 'network' },
    });
    await world.server.up();
    await world.uploader.done();
    expect(world.statuses()).toEqual(all(40));
    await world.verify();
  });

  it('24: a browser that wrongly says offline is not believed for long', async () => {
    const world = await createFaultWorld();
    world.runtime.setOnline(false);
    const match = { route: 'put', nth: { every: 7 } } as const;
    await world.server.plan([{ match, do: { status: 500 } }]);
    await world.upload(photos(30));
    expect(world.statuses()).toEqual(all(30));
    await world.verify();
  });
});
