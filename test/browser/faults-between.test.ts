import { describe, expect, it } from 'vitest';
import { all, createFaultWorld, pause, photos } from '../support/fault-world.ts';

/** A port that browsers refuse to connect to: a request fails as if an extension had blocked it. */
const BLOCKED_ORIGIN = 'http://127.0.0.1:6000';

describe.concurrent('what stands between the page and the store', { timeout: 30_000 }, () => {
  it('25: a captive portal’s 200 to a PUT is not believed: the bytes are sent again', async () => {
    const world = await createFaultWorld();
    const match = { route: 'put', filename: 'photo-1*', nth: 1, countBy: 'file' } as const;
    await world.server.plan([{ match, do: 'captive-portal' }]);
    await world.upload(photos(20));
    expect(world.statuses()).toEqual(all(20));
    const { 'photo-1.jpg': first, 'photo-2.jpg': second } = await world.putsByName();
    expect([first, second]).toEqual([2, 1]);
    await world.verify();
  });

  it('25: a captive portal that answers everything for minutes kills no file', async () => {
    const world = await createFaultWorld();
    await world.server.behave({ latencyMs: 30 });
    await world.add(photos(40));
    await pause(200);
    await world.server.down(
      ['credentials', 'put', 'finalize', 'changes', 'stats'],
      'captive-portal',
    );
    await pause(4_000);
    expect(world.uploader.getSnapshot()).toMatchObject({ state: 'waiting', failed: 0 });
    await world.server.up();
    await world.uploader.done();
    expect(world.statuses()).toEqual(all(40));
    await world.verify();
  });

  it('25: a portal in front of the store alone pauses the store’s lane and kills no file', async () => {
    const world = await createFaultWorld();
    await world.server.down('put', 'captive-portal');
    await world.add(photos(20));
    await pause(4_000);
    expect(world.uploader.getSnapshot()).toMatchObject({ state: 'waiting', failed: 0 });
    expect((await world.requests('put')).length).toBeLessThan(60);
    await world.server.up();
    await world.uploader.done();
    expect(world.statuses()).toEqual(all(20));
    await world.verify();
  });

  it('25: a redirect to a portal’s page is not taken for the store’s or the server’s answer', async () => {
    const world = await createFaultWorld();
    const location = `${world.server.url}/__address`;
    const redirect = { status: 303, headers: { location } };
    await world.server.plan([
      { match: { route: 'put', filename: 'photo-1*', nth: 1, countBy: 'file' }, do: redirect },
      { match: { route: 'finalize', nth: 1 }, do: redirect },
      { match: { route: 'credentials', nth: 1 }, do: redirect },
    ]);
    await world.upload(photos(20));
    expect(world.statuses()).toEqual(all(20));
    for (const { attempts } of world.uploader.uploads()) expect(attempts.finalize).toBeLessThan(2);
    await world.verify();
  });

  it('26: a store whose CORS rules forbid this page stops the uploader, says so, and fails no file', async () => {
    const world = await createFaultWorld();
    const match = { route: ['preflight', 'put'], key: 'originals/*' } as const;
    await world.server.plan([{ match: { ...match, route: [...match.route] }, do: 'no-cors' }]);
    await world.add(photos(30));
    await expect.poll(() => world.uploader.getSnapshot().stop).toBe('store_blocked');
    expect(world.uploader.getSnapshot().failed).toBe(0);
    expect((await world.requests('put')).length).toBe(0);
    expect((await world.requests('preflight')).length).toBeLessThan(30);
    await world.server.plan([]);
    world.uploader.resume();
    await world.uploader.done();
    expect(world.statuses()).toEqual(all(30));
    await world.verify();
  });

  it('26: a store whose answers this page may not read still gets every file, once', async () => {
    const world = await createFaultWorld();
    await world.server.plan([{ match: { route: 'put' }, do: 'no-cors' }]);
    await world.upload(photos(20));
    expect(world.statuses()).toEqual(all(20));
    expect(Object.values(await world.putsByName())).toEqual(Array(20).fill(1));
    await world.verify();
  });

  it('27: a store that an extension blocks is probed now and then, and no file fails', async () => {
    let isBlocked = true;
    const world = await createFaultWorld({
      wrap: (adapter) => {
        const blocked = <T extends { uploadUrl: string }>(credential: T): T => {
          if (!isBlocked) return credential;
          const { pathname } = new URL(credential.uploadUrl);
          return { ...credential, uploadUrl: `${BLOCKED_ORIGIN}${pathname}` };
        };
        return {
          ...adapter,
          put: (request) => adapter.put({ ...request, credential: blocked(request.credential) }),
          isStoreReachable: async (credential) =>
            (await adapter.isStoreReachable?.(blocked(credential))) ?? false,
        };
      },
    });
    let tries = 0;
    world.uploader.on('upload-changed', ({ upload }) => {
      if (upload.status === 'uploading') tries += 1;
    });
    await world.add(photos(20));
    await pause(3_000);
    expect(world.uploader.getSnapshot()).toMatchObject({
      state: 'waiting',
      failed: 0,
      wait: { kind: 'network' },
    });
    // A minute of the uploader's time.
    expect(tries).toBeLessThan(30);
    isBlocked = false;
    world.uploader.resume();
    await world.uploader.done();
    expect(world.statuses()).toEqual(all(20));
    await world.verify();
  });
});
