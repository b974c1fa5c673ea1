import { visibleName } from 'bulkhead/element';
import { debounced, element, setText, show } from './dom.ts';
import { formatPercent } from './format.ts';
import type { LibraryItem } from './library-item.ts';

const COUNT = 6;
/** Someone leafing through photos does not look at each one's likenesses. */
const WAIT_MS = 250;

/** A few photos that look like the one shown; pressing one goes there. */
export function createSimilar(
  fetchLike: (id: string, signal: AbortSignal, count: number) => Promise<readonly LibraryItem[]>,
  onOpen: (item: LibraryItem) => void,
): { readonly root: HTMLElement; show(item: LibraryItem): void; stop(): void } {
  const row = element('div', { class: 'similar', 'data-testid': 'similar' });
  const title = element('h3', {}, 'Similar photos');
  const root = element('section', { 'aria-label': 'Similar photos' }, title, row);
  let asking: AbortController | undefined;
  let wanted: LibraryItem | undefined;

  const ask = async (): Promise<void> => {
    if (wanted === undefined || wanted.stage !== 'searchable') return;
    const controller = new AbortController();
    asking = controller;
    try {
      const items = await fetchLike(wanted.id, controller.signal, COUNT);
      if (controller.signal.aborted) return;
      row.replaceChildren(...items.slice(0, COUNT).map(likeButton));
      show(title, items.length > 0);
    } catch {
      // A strip that stays empty says enough here; the gallery's own search tells of failures.
    }
  };
  const later = debounced(() => void ask(), WAIT_MS);

  const likeButton = (item: LibraryItem): HTMLElement => {
    const name = visibleName(item.name ?? 'Photo');
    const score = element('span', { class: 'tile-score' });
    setText(score, formatPercent(item.score ?? 0));
    const button = element('button', { type: 'button', 'aria-label': `Open ${name}`, title: name });
    if (item.thumbnailUrl !== null) {
      button.append(element('img', { src: item.thumbnailUrl, alt: '', width: 256, height: 256 }));
    }
    button.append(score);
    button.addEventListener('click', () => onOpen(item));
    return button;
  };

  const stop = (): void => {
    later.cancel();
    asking?.abort();
    row.replaceChildren();
    show(title, false);
  };

  return {
    root,
    show(item) {
      stop();
      wanted = item;
      later.call();
    },
    stop,
  };
}
