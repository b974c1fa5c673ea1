import { element, setText } from './dom.ts';

interface Compartment {
  update(done: number, lost: number, total: number, isActive: boolean): void;
}

/** One labelled bar: how many of all files have passed a stage, and how many never will. */
export function createCompartment(root: HTMLElement, label: string): Compartment {
  const id = label.toLowerCase();
  const done = element('b');
  const count = element('p', { class: 'compartment-count', 'data-testid': `count-${id}` }, done);
  const total = element('span');
  count.append(total);
  const level = element('div', { class: 'compartment-level' });
  const fill = element('div', { class: 'bar-fill' });
  const lost = element('div', { class: 'bar-lost' });
  const bar = element(
    'div',
    {
      class: 'bar',
      role: 'progressbar',
      'aria-label': label,
      'aria-valuemin': 0,
      'data-testid': `bar-${id}`,
    },
    fill,
    lost,
  );
  const head = element('div', { class: 'compartment-head' });
  head.append(element('p', { class: 'compartment-label' }, label), count);
  const box = element('div', { class: 'compartment' }, level, head, bar);
  root.append(box);

  let shown = '';
  return {
    update(doneCount, lostCount, totalCount, isActive) {
      const next = `${doneCount} ${lostCount} ${totalCount} ${isActive}`;
      if (next === shown) return;
      shown = next;
      const share = totalCount === 0 ? 0 : doneCount / totalCount;
      const lostShare = totalCount === 0 ? 0 : lostCount / totalCount;
      setText(done, String(doneCount));
      setText(total, `/${totalCount}`);
      // Transforms only: a bar that moves sixty times a second must not cost a layout.
      fill.style.transform = `scaleX(${share.toFixed(4)})`;
      lost.style.transform = `scaleX(${lostShare.toFixed(4)})`;
      bar.setAttribute('aria-valuenow', String(doneCount));
      bar.setAttribute('aria-valuemax', String(totalCount));
      bar.setAttribute('aria-valuetext', `${doneCount} of ${totalCount}`);
      box.classList.toggle('is-active', isActive && share < 1);
      box.classList.toggle('is-full', share === 1);
    },
  };
}
