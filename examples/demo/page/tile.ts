import { visibleName } from 'bulkhead/element';
import { element, setText } from './dom.ts';
import { formatPercent } from './format.ts';
import { icon } from './icons.ts';
import type { LibraryItem } from './library-item.ts';
import type { GridTile } from './virtual-grid.ts';

export interface TileHandlers {
  open(id: string): void;
  like(id: string): void;
  /** The thumbnail did not load: its URL may have expired. */
  expired(id: string): void;
}

/** One photo of the gallery: a square that shimmers until its thumbnail is there. */
export function createTile(item: LibraryItem, handlers: TileHandlers): GridTile<LibraryItem> {
  const { id } = item;
  const name = element('bdi');
  const caption = element('span', { class: 'tile-name' }, name);
  const target = element('button', { type: 'button', class: 'tile-open' }, caption);
  const like = element(
    'button',
    { type: 'button', class: 'tile-like', tabindex: -1, title: 'More like this' },
    icon('like'),
  );
  const root = element('li', { class: 'tile', 'data-testid': 'tile' }, target);
  root.dataset.asset = id;
  const score = element('span', { class: 'tile-score', 'data-testid': 'score' });
  target.addEventListener('click', () => handlers.open(id));
  like.addEventListener('click', () => handlers.like(id));
  let image: HTMLImageElement | undefined;
  let broken: HTMLElement | undefined;
  let hasFailed = false;

  const showImage = (url: string): void => {
    broken?.remove();
    broken = undefined;
    root.classList.remove('is-broken');
    if (image === undefined) {
      // Sizes are set before the bytes are there, so nothing moves when they come.
      image = element('img', {
        alt: '',
        width: 256,
        height: 256,
        loading: 'lazy',
        decoding: 'async',
        draggable: 'false',
      });
      image.addEventListener('load', () => root.classList.add('is-loaded'));
      image.addEventListener('error', () => {
        hasFailed = true;
        root.classList.remove('is-loaded');
        handlers.expired(id);
      });
      target.prepend(image);
      root.append(like);
    }
    if (image.getAttribute('src') === url && !hasFailed) return;
    hasFailed = false;
    image.src = url;
  };
  const showBroken = (shownName: string): void => {
    image?.remove();
    image = undefined;
    like.remove();
    root.classList.remove('is-loaded');
    root.classList.add('is-broken');
    broken?.remove();
    const words = element('span', { class: 'tile-broken' }, icon('broken'), 'No preview');
    words.title = shownName;
    broken = words;
    target.prepend(words);
  };

  const update = (next: LibraryItem): void => {
    const shownName = visibleName(next.name ?? 'Photo');
    setText(name, shownName);
    if (next.score === undefined) score.remove();
    else {
      setText(score, formatPercent(next.score));
      root.append(score);
    }
    target.setAttribute('aria-label', `Open ${shownName}`);
    like.setAttribute('aria-label', `More like ${shownName}`);
    if (next.thumbnailUrl !== null) showImage(next.thumbnailUrl);
    else if (next.stage === 'failed') showBroken(shownName);
  };
  update(item);
  return { root, target, update };
}

/** A square that shimmers, for a photo that is still being fetched. */
export function createBlankTile(): HTMLElement {
  return element('li', { class: 'tile', 'aria-hidden': 'true' });
}
