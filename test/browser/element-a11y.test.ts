import { afterEach, describe, expect, it } from 'vitest';
import { memoryStorage } from '../../src/storage/memory-storage.ts';
import { createElementWorld, type ElementWorld, until } from '../support/element-world.ts';
import { photos } from '../support/fault-world.ts';

let world: ElementWorld | undefined;
afterEach(async () => {
  await world?.remove();
  world = undefined;
});

describe('what axe-core says', () => {
  it.each(['light', 'dark'] as const)('nothing, of the empty element in %s', async (theme) => {
    world = await createElementWorld({ element: { theme } });
    expect(await world.violations()).toEqual({});
  });

  it.each(['light', 'dark'] as const)(
    'nothing, of uploads under way and done in %s',
    async (theme) => {
      world = await createElementWorld({
        element: { theme },
        server: {
          processing: { processMs: 5, embedMs: 5, failures: [{ filename: 'photo-3.jpg' }] },
        },
      });
      await world.element.add(photos(30));
      await world.until(() => world?.has('row'));
      world.uploader.pause();
      await world.until(
        () => world?.has('resume') || world?.part('progress').dataset.phase === 'done',
      );
      expect(await world.violations()).toEqual({});
      world.uploader.resume();
      await world.until(() => world?.part('progress').dataset.phase === 'done');
      expect(await world.violations()).toEqual({});
    },
  );

  it.each(['light', 'dark'] as const)('nothing, of failures by cause in %s', async (theme) => {
    world = await createElementWorld({
      element: { theme },
      server: { plan: [{ match: { route: 'put' }, do: { status: 400 } }] },
    });
    await world.element.add([...photos(3), new File([], 'empty.jpg')]);
    await world.until(() => world?.parts('cause').length === 2 && world?.has('retry-cause'));
    for (const toggle of world.parts('cause-toggle')) toggle.click();
    await world.until(() => world?.has('details'));
    world.part('details').click();
    await world.until(() => world?.has('attempts'));
    expect(await world.violations()).toEqual({});
  });

  it.each(['light', 'dark'] as const)('nothing, of interrupted sessions in %s', async (theme) => {
    const storage = memoryStorage();
    const first = await createElementWorld({ uploader: { autoStart: false, storage } });
    await first.element.add(photos(3));
    await first.until(() => first.uploader.getSnapshot().total === 3);
    await until(() => first.uploader.getSnapshot().survivesReload || performance.now() > 3_000);
    await first.remove();
    world = await createElementWorld({ element: { theme }, uploader: { storage } });
    await world.until(() => world?.has('session-resume'));
    expect(await world.violations()).toEqual({});
    world.part('session-resume').click();
    await world.until(() => world?.has('session-choose-folder'));
    expect(await world.violations()).toEqual({});
  });
});

describe('what is announced', () => {
  it('is a handful of sentences for 300 files, the last of them that all are there', async () => {
    world = await createElementWorld();
    const said: string[] = [];
    const region = world.part('announcer');
    new MutationObserver(() => said.push(region.textContent ?? '')).observe(region, {
      childList: true,
      characterData: true,
      subtree: true,
    });
    await world.element.add(photos(300));
    await world.until(() => region.textContent === 'All 300 files are in the library');
    expect(new Set(said).size).toBeLessThanOrEqual(5);
    expect(region.getAttribute('aria-live')).toBe('polite');
  });
});
