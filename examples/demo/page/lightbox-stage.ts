import { element } from './dom.ts';
import { icon } from './icons.ts';
import type { LibraryItem } from './library-item.ts';

/** Longest side of the bounded image the server makes. */
const MAX_IMAGE_PX = 1600;

export interface Stage {
  readonly root: HTMLElement;
  show(item: LibraryItem): void;
  /** Fetches the images of these next, so that an arrow key shows them at once. */
  preload(items: readonly (LibraryItem | undefined)[]): void;
  clear(): void;
}

/** Where the photo stands: its thumbnail, blurred, in the right shape until the image is there. */
export function createStage(...buttons: readonly HTMLElement[]): Stage {
  const frame = element('div', { class: 'stage-frame' });
  const root = element('div', { class: 'stage' }, frame, ...buttons);
  let shown = '';

  const fitFrame = (item: LibraryItem): void => {
    const { width, height } = item.asset ?? {};
    if (!width || !height) {
      frame.style.removeProperty('width');
      frame.style.removeProperty('aspect-ratio');
      return;
    }
    const style = getComputedStyle(root);
    const roomX = root.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const roomY =
      root.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
    const scale = Math.min(
      roomX / width,
      roomY / height,
      // A small picture is not blown up.
      Math.max(1, MAX_IMAGE_PX / Math.max(width, height)),
    );
    frame.style.width = `${Math.round(width * scale)}px`;
    frame.style.aspectRatio = `${width} / ${height}`;
  };

  let current: LibraryItem | undefined;
  new ResizeObserver(() => {
    if (current !== undefined) fitFrame(current);
  }).observe(root);

  return {
    root,
    show(item) {
      current = item;
      fitFrame(item);
      const url = item.asset?.imageUrl ?? null;
      const key = `${item.id} ${url} ${item.thumbnailUrl} ${item.stage}`;
      if (key === shown) return;
      shown = key;
      const parts: HTMLElement[] = [];
      if (item.thumbnailUrl !== null) {
        parts.push(element('img', { class: 'stage-thumb', src: item.thumbnailUrl, alt: '' }));
      }
      if (url !== null) {
        const image = element('img', {
          class: 'stage-image',
          alt: item.name ?? '',
          decoding: 'async',
          'data-testid': 'lightbox-image',
        });
        image.addEventListener('load', () => image.classList.add('is-loaded'));
        image.src = url;
        parts.push(image);
      }
      frame.replaceChildren(...(parts.length === 0 ? [nothing(item)] : parts));
      frame.hidden = false;
    },
    preload(items) {
      for (const item of items) {
        const url = item?.asset?.imageUrl;
        if (url) new Image().src = url;
      }
    },
    clear() {
      current = undefined;
      shown = '';
      frame.replaceChildren();
    },
  };
}

function nothing(item: LibraryItem): HTMLElement {
  const words =
    item.stage === 'failed' ? 'There is no preview of this file.' : 'The image is being made…';
  return element('div', { class: 'stage-none' }, icon('broken'), words);
}
