import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commands, page, userEvent } from 'vitest/browser';
import { createElementWorld, type ElementWorld, until } from '../support/element-world.ts';
import { photos } from '../support/fault-world.ts';

let world: ElementWorld | undefined;
// Firefox gives the keyboard to the tab in front only, and tells the others of no focus.
beforeEach(async () => {
  await commands.bringToFront();
  window.focus();
});
afterEach(async () => {
  await world?.remove();
  world = undefined;
});

/** The element that has the keyboard, inside the shadow root. */
const focused = (): Element | null =>
  world?.element.renderRoot instanceof ShadowRoot ? world.element.renderRoot.activeElement : null;

describe('the keyboard alone', () => {
  it('reaches the buttons, the filters, one row, and that row’s own button, in this order', async () => {
    world = await createElementWorld({ uploader: { autoStart: false } });
    await world.element.add(photos(50));
    await world.until(() => world?.has('pause'));
    const names: string[] = [];
    (document.activeElement as HTMLElement | null)?.blur();
    // Past the last one Firefox leaves the page.
    while (names.length < 14 && names.at(-1) !== 'cancel-file') {
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

  it('keeps a row that has the keyboard while it is scrolled out of sight', async () => {
    world = await createElementWorld({ uploader: { autoStart: false } });
    await world.element.add(photos(2_000));
    await world.until(() => world?.text('filter-all') === 'All 2,000');
    const row = world.element.renderRoot.querySelector<HTMLElement>('bulkhead-uploader-row');
    // WebKit scrolls to what has the keyboard a moment later.
    row?.focus({ preventScroll: true });
    world.part('rows').scrollTop = 40_000;
    await world.until(() => world?.element.renderRoot.textContent?.includes('photo-690.jpg'));
    expect(row?.isConnected).toBe(true);
    expect(focused()).toBe(row);
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
