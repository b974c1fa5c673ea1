import { afterEach, describe, expect, it } from 'vitest';
import { page, userEvent } from 'vitest/browser';
import { memoryStorage } from '../../src/storage/memory-storage.ts';
import { createElementWorld, type ElementWorld, until } from '../support/element-world.ts';
import { photos } from '../support/fault-world.ts';

let world: ElementWorld | undefined;
afterEach(async () => {
  await world?.remove();
  world = undefined;
});

/** The element that has the keyboard, inside the shadow root. */
const focused = (): Element | null =>
  world?.element.renderRoot instanceof ShadowRoot ? world.element.renderRoot.activeElement : null;

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

describe('the keyboard alone', () => {
  it('reaches the buttons, the filters, one row, and that row’s own button, in this order', async () => {
    world = await createElementWorld({ uploader: { autoStart: false } });
    await world.element.add(photos(50));
    await world.until(() => world?.has('pause'));
    const names: string[] = [];
    (document.activeElement as HTMLElement | null)?.blur();
    for (let presses = 0; presses < 14; presses += 1) {
      await userEvent.keyboard('{Tab}');
      const at = focused();
      if (!at) break;
      names.push(
        at.tagName === 'BULKHEAD-UPLOADER-ROW'
          ? 'row'
          : (at.getAttribute('part')?.split(' ').at(-1) ?? ''),
      );
    }
    expect(names.join(' ')).toContain(
      'choose-files choose-folder pause cancel filter-all filter-active filter-done filter-failed row cancel-file',
    );
    // One stop for all rows.
    expect(names.filter((name) => name === 'row')).toHaveLength(1);
  });

  it('moves between rows by arrows, pages and ends, and into a row and back', async () => {
    world = await createElementWorld({ uploader: { autoStart: false } });
    await world.element.add(photos(500));
    const rows = await world.until(() =>
      world?.element.renderRoot.querySelector('bulkhead-uploader-row'),
    );
    (rows as HTMLElement).focus();
    const index = () => focused()?.closest('bulkhead-uploader-row')?.getAttribute('aria-rowindex');
    await userEvent.keyboard('{ArrowDown}');
    await until(() => index() === '2');
    await userEvent.keyboard('{End}');
    await until(() => index() === '500');
    await userEvent.keyboard('{ArrowUp}');
    await until(() => index() === '499');
    await userEvent.keyboard('{ArrowRight}');
    await until(() => focused()?.getAttribute('part')?.includes('cancel-file'));
    await userEvent.keyboard('{Enter}');
    await until(() => focused()?.tagName === 'BULKHEAD-UPLOADER-ROW');
    expect(index()).toBe('499');
    await until(() => world?.uploader.getSnapshot().byStatus.cancelled === 1);
    await userEvent.keyboard('{Home}');
    await until(() => index() === '1');
    await userEvent.keyboard('{PageDown}');
    await until(() => Number(index()) > 3);
  });

  it('stays in the list when the row it is on leaves the filter', async () => {
    world = await createElementWorld({ uploader: { autoStart: false } });
    await world.element.add(photos(10));
    await world.until(() => world?.has('row'));
    world.part('filter-active').click();
    await world.until(() => world?.part('filter-active').getAttribute('aria-pressed') === 'true');
    const row = world.element.renderRoot.querySelector<HTMLElement>('bulkhead-uploader-row');
    row?.focus();
    await userEvent.keyboard('{ArrowRight}');
    await until(() => focused()?.getAttribute('part')?.includes('cancel-file'));
    await userEvent.keyboard('{Enter}');
    await until(() => world?.text('filter-active') === 'Active 9');
    await until(() => focused()?.tagName === 'BULKHEAD-UPLOADER-ROW');
    expect(focused()?.textContent).toContain('photo-1.jpg');
  });

  it('pauses, resumes and answers the question without losing its place', async () => {
    world = await createElementWorld({ uploader: { autoStart: false } });
    await world.element.add(photos(5));
    await world.until(() => world?.has('pause'));
    world.part('pause').focus();
    await userEvent.keyboard('{Enter}');
    await until(() => focused()?.getAttribute('part')?.includes('resume'));
    await userEvent.keyboard('{Tab}{Enter}');
    await until(() => focused()?.getAttribute('part')?.includes('cancel-keep'));
    await userEvent.keyboard('{Escape}');
    await until(() => focused()?.getAttribute('part')?.includes('resume'));
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

describe('writing from right to left', () => {
  it('turns the layout and the arrow keys', async () => {
    await page.viewport(800, 900);
    world = await createElementWorld({ dir: 'rtl', uploader: { autoStart: false } });
    await world.element.add(photos(3));
    await world.until(() => world?.has('row'));
    const picture = world.part('thumbnail').getBoundingClientRect();
    const name = world.part('row-name').getBoundingClientRect();
    expect(picture.left).toBeGreaterThan(name.left);
    world.element.renderRoot.querySelector<HTMLElement>('bulkhead-uploader-row')?.focus();
    await userEvent.keyboard('{ArrowLeft}');
    await until(() => focused()?.getAttribute('part')?.includes('cancel-file'));
    await userEvent.keyboard('{ArrowRight}');
    await until(() => focused()?.tagName === 'BULKHEAD-UPLOADER-ROW');
    expect(await world.violations()).toEqual({});
  });
});
