import { describe, expect, it } from 'vitest';
import { all, createFaultWorld, photo, photos } from '../support/fault-world.ts';

// Browsers send a request again by themselves when its connection breaks without an answer, so a rule
// that has to be noticed meets several requests of one file.

describe.concurrent('a PUT that fails', { timeout: 30_000 }, () => {
  it('1: a PUT that is cut off amid its bytes is sent again, and only that file', async () => {
    const world = await createFaultWorld();
    const match = { route: 'put', filename: 'photo-3.jpg', nth: { to: 3 } } as const;
    await world.server.plan([{ match, at: 'body:65536', do: 'reset' }]);
    await world.upload(photos(20, 300_000));
    expect(world.statuses()).toEqual(all(20));
    const { 'photo-3.jpg': broken = 0, ...others } = await world.putsByName();
    expect(broken).toBeGreaterThan(1);
    expect(Object.values(others)).toEqual(Array(19).fill(1));
    await world.verify();
  });

  it('2: a 500 after the bytes were stored ends as stored, by the conflict of the second PUT', async () => {
    const world = await createFaultWorld();
    const match = { route: 'put', filename: 'photo-1*', nth: 1, countBy: 'file' } as const;
    await world.server.plan([{ match, at: 'after-commit', do: { status: 500, code: 'internal' } }]);
    await world.upload(photos(20));
    expect(world.statuses()).toEqual(all(20));
    const { requests, assets } = await world.server.state();
    expect(assets).toHaveLength(20);
    expect(requests.filter(({ status }) => status === 412)).toHaveLength(11);
    await world.verify();
  });

  it.each([502, 504])(
    '3: a %i of a proxy after the bytes were stored ends as stored',
    async (status) => {
      const world = await createFaultWorld();
      const match = { route: 'put', nth: { every: 4 } } as const;
      await world.server.plan([
        { match, at: 'after-commit', do: { status, body: '<h1>Bad Gateway</h1>' } },
      ]);
      await world.upload(photos(20));
      expect(world.statuses()).toEqual(all(20));
      expect((await world.server.state()).assets).toHaveLength(20);
      await world.verify();
    },
  );

  it('4: a 503 SlowDown slows the lane down and costs no attempt', async () => {
    const world = await createFaultWorld();
    const body = '<Error><Code>SlowDown</Code></Error>';
    const match = { route: 'put', nth: { every: 9 } } as const;
    await world.server.plan([{ match, do: { status: 503, body } }]);
    await world.upload(photos(30));
    expect(world.statuses()).toEqual(all(30));
    for (const { attempts } of world.uploader.uploads()) expect(attempts.put).toBe(0);
    const waits = world.run.snapshots.flatMap(({ wait }) => wait?.kind ?? []);
    expect(waits).toContain('rate_limit');
    await world.verify();
  });

  it('14: a connection that breaks after the bytes were stored leaves one object and one asset', async () => {
    const world = await createFaultWorld();
    const match = { route: 'put', filename: 'photo-1*' } as const;
    await world.server.plan([{ match, at: 'after-commit', do: 'reset' }]);
    await world.upload(photos(20));
    expect(world.statuses()).toEqual(all(20));
    const { objects, assets } = await world.server.state();
    expect([objects.length, assets.length]).toEqual([20, 20]);
    await world.verify();
  });

  it('15: a PUT that the browser itself sends again is stored once', async () => {
    const world = await createFaultWorld();
    // Only on a connection that was used before does the browser send again.
    await world.upload(photos(12));
    const match = { route: 'put', filename: 'twice.jpg', nth: 1 } as const;
    await world.server.plan([{ match, at: 'after-commit', do: 'close' }]);
    await world.upload([photo('twice.jpg')]);
    expect(world.statuses()).toEqual(all(13));
    expect((await world.putsByName())['twice.jpg']).toBe(2);
    expect([...world.uploader.uploads()].at(-1)?.attempts.put).toBe(0);
    expect((await world.server.state()).objects).toHaveLength(13);
    await world.verify();
  });

  it('12: a PUT whose bytes stop moving is ended and sent again', async () => {
    const world = await createFaultWorld({ times: 15 });
    const match = { route: 'put', filename: 'large.jpg', nth: 1 } as const;
    await world.server.plan([{ match, at: 'body:1', do: 'hang' }]);
    await world.upload([photo('large.jpg', 30_000_000), ...photos(10)]);
    expect(world.statuses()).toEqual(all(11));
    expect((await world.putsByName())['large.jpg']).toBe(2);
    await world.verify();
  });

  it('12: a store that stays silent after the last byte is not waited for without end', async () => {
    const world = await createFaultWorld({ times: 40 });
    const match = { route: 'put', filename: 'photo-2.jpg', nth: 1 } as const;
    await world.server.plan([{ match, at: 'after-commit', do: 'hang' }]);
    await world.upload(photos(10));
    expect(world.statuses()).toEqual(all(10));
    // Finalize found out that it was stored: no second PUT.
    expect((await world.putsByName())['photo-2.jpg']).toBe(1);
    await world.verify();
  });

  it('13: a link of 1 KB a second is slow, not broken', async () => {
    // Forty times as fast, and so is the link.
    const world = await createFaultWorld({ times: 40 });
    const match = { route: 'put', filename: 'slow-*' } as const;
    await world.server.plan([{ match, at: 'body:1', do: { trickleBytesPerSecond: 40_000 } }]);
    await world.upload([photo('slow-1.jpg', 100_000), photo('slow-2.jpg', 120_000)]);
    expect(world.statuses()).toEqual(all(2));
    expect(await world.putsByName()).toEqual({ 'slow-1.jpg': 1, 'slow-2.jpg': 1 });
    await world.verify();
  });

  it('28: a store that hides its ETag is no different', async () => {
    const world = await createFaultWorld({ server: { behaviour: { exposesEtag: false } } });
    await world.upload(photos(20));
    expect(world.statuses()).toEqual(all(20));
    expect(Object.values(await world.putsByName())).toEqual(Array(20).fill(1));
    await world.verify();
  });
});
