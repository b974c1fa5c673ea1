import { visibleName } from 'bulkhead/element';
import type { Stats } from 'bulkhead/protocol';
import { byId, element, setText, show } from './dom.ts';
import { formatCount, formatCounted } from './format.ts';
import { icon } from './icons.ts';
import { MAX_FOUND } from './library-api.ts';
import type { LibraryItem } from './library-item.ts';

/** What the gallery shows. */
export type LibraryMode =
  | { readonly kind: 'all' }
  | { readonly kind: 'search'; readonly text: string }
  | { readonly kind: 'like'; readonly source: LibraryItem };

export interface HeadState {
  readonly mode: LibraryMode;
  /** Results of the search; undefined while it runs. */
  readonly found: number | undefined;
  readonly stats: Stats | undefined;
  /** Photos of the whole library that are shown. */
  readonly shown: number;
  /** A request failed: in words. */
  readonly problem: string | undefined;
}

/** The line above the gallery, and the words in its place when there is nothing to show. */
export function createLibraryHead(handlers: { onClear(): void; onRetry(): void }): {
  update(state: HeadState): void;
} {
  const title = byId('library-title');
  const count = byId('library-count');
  const chip = byId('library-chip');
  const notice = byId('library-notice');
  const status = byId('search-status');
  let chipOf: LibraryItem | undefined;
  let noticeShown = '';

  const paintChip = (source: LibraryItem | undefined): void => {
    if (source === chipOf) return;
    chipOf = source;
    chip.replaceChildren(...(source === undefined ? [] : [likeChip(source, handlers.onClear)]));
  };

  const paintNotice = (state: HeadState): void => {
    const { heading, words, action, isSlim } = noticeOf(state);
    const key = `${heading}\n${words}\n${action}\n${isSlim}`;
    if (key === noticeShown) return;
    noticeShown = key;
    show(notice, heading !== '' || words !== '');
    notice.classList.toggle('is-slim', isSlim);
    const text = element('p');
    if (heading !== '') text.append(element('strong', {}, heading));
    text.append(words);
    notice.replaceChildren(text);
    if (action === 'none') return;
    const button = element(
      'button',
      { type: 'button', class: 'button small', 'data-testid': 'library-action' },
      action === 'retry' ? 'Try again' : 'Show all photos',
    );
    button.addEventListener('click', action === 'retry' ? handlers.onRetry : handlers.onClear);
    notice.append(button);
  };

  return {
    update(state) {
      setText(title, titleOf(state));
      setText(count, countOf(state));
      setText(status, statusOf(state));
      paintChip(state.mode.kind === 'like' ? state.mode.source : undefined);
      paintNotice(state);
    },
  };
}

function titleOf({ mode, found, problem }: HeadState): string {
  if (mode.kind === 'like') return 'More like';
  if (mode.kind === 'all') return 'Library';
  if (problem !== undefined) return `Search for “${visibleName(mode.text)}”`;
  if (found === undefined) return `Searching “${visibleName(mode.text)}”`;
  const many = found >= MAX_FOUND ? `${formatCount(found)}+ photos` : formatCounted(found, 'photo');
  return found === 0 ? 'No matches' : `${many} for “${visibleName(mode.text)}”`;
}

/** What a search found, for those who do not see the gallery. */
function statusOf(state: HeadState): string {
  const { mode, found } = state;
  if (mode.kind === 'all' || found === undefined) return '';
  return mode.kind === 'search' ? titleOf(state) : `${formatCounted(found, 'photo')} alike`;
}

function countOf({ mode, stats }: HeadState): string {
  if (mode.kind !== 'all' || stats === undefined || stats.total === 0) return '';
  const parts = [formatCounted(stats.total, 'photo')];
  const ahead = stats.total - stats.processed - stats.failed;
  if (ahead > 0) parts.push(`${formatCount(ahead)} being processed`);
  if (stats.failed > 0) parts.push(`${formatCount(stats.failed)} could not be processed`);
  return parts.join(' · ');
}

interface Notice {
  readonly heading: string;
  readonly words: string;
  readonly action: 'none' | 'retry' | 'clear';
  readonly isSlim: boolean;
}

function noticeOf({ mode, found, shown, problem }: HeadState): Notice {
  if (problem !== undefined) {
    const heading = mode.kind === 'all' ? 'Your library could not be loaded' : 'The search failed';
    const isSlim = mode.kind === 'all' && shown > 0;
    return { heading: isSlim ? '' : heading, words: problem, action: 'retry', isSlim };
  }
  if (mode.kind === 'search' && found === 0) {
    const words = 'Photos are found by the words of their file names and folders. Try fewer words.';
    const heading = `Nothing is called “${visibleName(mode.text)}”`;
    return { heading, words, action: 'clear', isSlim: false };
  }
  if (mode.kind === 'like' && found === 0) {
    const words =
      'There is nothing to compare it with yet. Add more photos, or wait until this one is searchable.';
    return { heading: 'No likeness found', words, action: 'clear', isSlim: false };
  }
  return { heading: '', words: '', action: 'none', isSlim: false };
}

function likeChip(source: LibraryItem, onClear: () => void): HTMLElement {
  const name = visibleName(source.name ?? 'this photo');
  const picture =
    source.thumbnailUrl === null
      ? element('span', { class: 'chip-blank' })
      : element('img', { src: source.thumbnailUrl, alt: '', width: 30, height: 30 });
  const clear = element(
    'button',
    {
      type: 'button',
      class: 'icon-button',
      'aria-label': 'Show all photos again',
      'data-testid': 'clear-like',
    },
    icon('close'),
  );
  clear.addEventListener('click', onClear);
  return element(
    'span',
    { class: 'chip', 'data-testid': 'like-chip' },
    picture,
    element('bdi', { title: name }, name),
    clear,
  );
}
