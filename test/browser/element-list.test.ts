import { afterEach, describe, expect, it } from 'vitest';
import { englishStrings } from '../../src/element/words/english.ts';
import { createElementWorld, type ElementWorld } from '../support/element-world.ts';

let world: ElementWorld | undefined;
afterEach(async () => {
  await world?.remove();
  world = undefined;
});

const ROWS = 100_000;

/**
 * Nothing of them is read, because nothing is started: what the uploader asks of a File is enough. Chromium
 * takes 20 s to make 100,000 real ones.
 */
function manyFiles(count: number): File[] {
  const about = { type: 'image/jpeg', size: 1, webkitRelativePath: '' };
  return Array.from(
    { length: count },
    (_, at) => ({ ...about, name: `scan-${at}.jpg`, lastModified: at }) as File,
  );
}

const rowsOf = (target: ElementWorld): HTMLElement[] => [
  ...target.element.renderRoot.querySelectorAll<HTMLElement>('bulkhead-uploader-row'),
];

/** Elements in the shadow root, all of them. */
const nodeCount = (target: ElementWorld): number =>
  target.element.renderRoot.querySelectorAll('*').length;

/** The rows that exist cover what can be seen, each in its place. */
function expectCovered(target: ElementWorld): void {
  const scroller = target.part('rows');
  const { rowHeight } = target.element.renderRoot.querySelector(
    'bulkhead-uploader-list',
  ) as unknown as {
    rowHeight: number;
  };
  const names = rowsOf(target).map((row) => row.textContent ?? '');
  const first = Math.floor(scroller.scrollTop / rowHeight);
  const last = Math.ceil((scroller.scrollTop + scroller.clientHeight) / rowHeight) - 1;
  for (let at = first; at <= Math.min(last, ROWS - 1); at += 1) {
    expect(
      names.some((name) => name.includes(`scan-${at}.jpg`)),
      `row ${at}`,
    ).toBe(true);
  }
}

describe('the list of 100,000 rows', () => {
  it('has only the rows in sight in the page, wherever it is scrolled to', {
    timeout: 90_000,
  }, async () => {
    world = await createElementWorld({ uploader: { autoStart: false } });
    await world.element.add(manyFiles(ROWS));
    await world.until(() => world?.text('filter-all') === 'All 100,000');
    expect(world.part('rows').querySelector('[role=grid]')?.getAttribute('aria-rowcount')).toBe(
      '100000',
    );
    const scroller = world.part('rows');
    const most: number[] = [];
    for (let step = 0; step <= 60; step += 1) {
      // Long jumps and short ones, to the very end.
      scroller.scrollTop = step < 40 ? step * 137 : ((step - 40) / 20) * scroller.scrollHeight;
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      await world.element.updateComplete;
      expectCovered(world);
      most.push(nodeCount(world));
    }
    expect(rowsOf(world).length).toBeLessThan(60);
    expect(Math.max(...most)).toBeLessThan(900);
    expect(world.element.renderRoot.textContent).toContain('scan-99999.jpg');
    // Filters answer from an index: nothing is listed.
    for (const [name, words] of [
      ['done', 'No files are done yet.'],
      ['failed', 'Nothing failed.'],
    ] as const) {
      world.part(`filter-${name}`).click();
      await world.until(() => world?.has('empty') && world.text('empty') === words);
    }
    world.part('filter-active').click();
    await world.until(() => world && rowsOf(world).length > 0);
    expectCovered(world);
  });

  it('reads rows in that were there before the element came', { timeout: 60_000 }, async () => {
    world = await createElementWorld({ uploader: { autoStart: false } });
    const { uploader } = world;
    world.element.remove();
    await Promise.resolve();
    await uploader.add(manyFiles(20_000));
    const later = document.createElement('bulkhead-uploader');
    later.uploader = uploader;
    later.noLeaveWarning = true;
    document.body.append(later);
    await world.until(() =>
      later.renderRoot.querySelector('[part~=filter-all]')?.textContent?.includes('20,000'),
    );
    later.remove();
  });
});

describe('words', () => {
  it('come from `strings`, plurals and numbers included; the rest stays English', async () => {
    const count = new Intl.NumberFormat('de');
    world = await createElementWorld({
      uploader: { autoStart: false },
      element: {
        strings: {
          ...englishStrings(),
          chooseFiles: 'Dateien wählen',
          formatCount: (value) => count.format(value),
          filter: (filter) =>
            ({ all: 'Alle', active: 'Aktiv', done: 'Fertig', failed: 'Fehler' })[filter],
          rowStatus: () => 'Wartet',
        },
      },
    });
    await world.element.add(manyFiles(1_200));
    await world.until(() => world?.text('filter-all') === 'Alle 1.200');
    expect(world.text('choose-files')).toBe('Dateien wählen');
    expect(world.text('row-status')).toBe('Wartet');
    expect(world.text('choose-folder')).toBe('Choose a folder');
  });

  it('may be changed while the element is shown', async () => {
    world = await createElementWorld();
    world.element.strings = englishStrings({ one: 'photo', many: 'photos' });
    await world.element.updateComplete;
    await world.until(() => world?.text('choose-files') === 'Choose photos');
  });
});

describe('a strict content security policy', () => {
  it('is kept: no style attribute is ever parsed or set', async () => {
    const policy = document.createElement('meta');
    policy.httpEquiv = 'Content-Security-Policy';
    policy.content = "style-src 'self'";
    document.head.append(policy);
    const refused: string[] = [];
    const note = ({ violatedDirective, sample }: SecurityPolicyViolationEvent) =>
      refused.push(`${violatedDirective} ${sample}`);
    document.addEventListener('securitypolicyviolation', note);
    world = await createElementWorld({ uploader: { autoStart: false } });
    await world.element.add([...manyFiles(30), new File([], 'empty.jpg')]);
    await world.until(() => world && rowsOf(world).length > 0 && world.has('cause'));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(refused).toEqual([]);
    expect(getComputedStyle(world.part('row')).display).toBe('grid');
    document.removeEventListener('securitypolicyviolation', note);
  });
});
