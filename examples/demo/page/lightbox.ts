import { visibleName } from 'bulkhead/element';
import { byId, element, setText, show } from './dom.ts';
import { formatCount } from './format.ts';
import { icon } from './icons.ts';
import type { LibraryItem } from './library-item.ts';
import { createFacts } from './lightbox-facts.ts';
import { createStage } from './lightbox-stage.ts';
import { createSimilar } from './similar.ts';

export interface LightboxOptions {
  /** What the gallery shows now, in its order. */
  readonly items: () => readonly LibraryItem[];
  /** The last items are being looked at: fetch more, if there are any. */
  readonly onNearEnd: () => void;
  readonly onLike: (id: string) => void;
  /** Fills in what live news left out, with fresh URLs. */
  readonly fetchDetails: (item: LibraryItem) => Promise<LibraryItem>;
  readonly fetchLike: (
    id: string,
    signal: AbortSignal,
    count: number,
  ) => Promise<readonly LibraryItem[]>;
  /** Processes a failed photo again. */
  readonly retry: (item: LibraryItem) => Promise<LibraryItem>;
}

export interface Lightbox {
  readonly isOpen: boolean;
  open(id: string): void;
  /** An item that is shown here but may not be in the gallery. */
  get(id: string): LibraryItem | undefined;
}

/** One photo, large, in a native dialog: arrows go on, Escape leads back to its tile. */
export function createLightbox(options: LightboxOptions): Lightbox {
  const dialog = byId('lightbox', HTMLDialogElement);
  const position = element('span', { 'data-testid': 'position' });
  const close = iconButton('close', 'Close', () => dialog.close());
  const name = element('h2', { id: 'lightbox-name', 'data-testid': 'lightbox-name' });
  name.dir = 'auto';
  const previous = stageButton('left', 'Previous photo', 'previous', () => step(-1));
  const next = stageButton('right', 'Next photo', 'next', () => step(1));
  const stage = createStage(previous, next);
  const facts = createFacts({
    onLike() {
      if (current === undefined) return;
      dialog.close();
      options.onLike(current.id);
    },
    async onRetry() {
      if (current !== undefined) showItem(await options.retry(current));
    },
  });
  const similar = createSimilar(options.fetchLike, (item) => showItem(item));
  dialog.append(
    stage.root,
    element(
      'div',
      { class: 'facts' },
      element('div', { class: 'facts-top' }, position, close),
      name,
      ...facts.parts,
      similar.root,
    ),
  );

  let current: LibraryItem | undefined;
  let lookedAt = 0;

  const indexOf = (item: LibraryItem): number =>
    options.items().findIndex(({ id }) => id === item.id);

  function showItem(item: LibraryItem): void {
    current = item;
    lookedAt += 1;
    const turn = lookedAt;
    paint(item);
    similar.show(item);
    const items = options.items();
    const index = indexOf(item);
    if (index >= 0 && index > items.length - 12) options.onNearEnd();
    if (item.asset !== undefined) return;
    options.fetchDetails(item).then(
      (full) => {
        if (turn === lookedAt) paint(full);
      },
      (error: unknown) => {
        if (turn === lookedAt) facts.fail(error instanceof Error ? error.message : String(error));
      },
    );
  }

  function paint(item: LibraryItem): void {
    const items = options.items();
    const index = indexOf(item);
    setText(name, visibleName(item.name ?? 'Photo'));
    setText(position, index < 0 ? '' : `${formatCount(index + 1)} of ${formatCount(items.length)}`);
    previous.disabled = index <= 0;
    next.disabled = index < 0 || index >= items.length - 1;
    stage.show(item);
    facts.show(item);
    show(similar.root, item.stage === 'searchable');
    stage.preload([items[index + 1], items[index - 1]]);
  }

  function step(by: number): void {
    if (current === undefined) return;
    const item = options.items()[indexOf(current) + by];
    if (item !== undefined) showItem(item);
  }

  dialog.addEventListener('keydown', (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === 'ArrowLeft') step(-1);
    else if (event.key === 'ArrowRight') step(1);
    else return;
    event.preventDefault();
  });
  stage.root.addEventListener('click', (event) => {
    if (event.target === stage.root) dialog.close();
  });
  dialog.addEventListener('close', () => {
    document.documentElement.classList.remove('is-looking');
    similar.stop();
    stage.clear();
  });

  return {
    get isOpen() {
      return dialog.open;
    },
    open(id) {
      const item = options.items().find((candidate) => candidate.id === id);
      if (item === undefined) return;
      if (!dialog.open) dialog.showModal();
      document.documentElement.classList.add('is-looking');
      close.focus();
      showItem(item);
    },
    get: (id) => (current?.id === id ? current : undefined),
  };
}

function iconButton(name: 'close', label: string, onClick: () => void): HTMLButtonElement {
  const button = element(
    'button',
    { type: 'button', class: 'icon-button', 'aria-label': label, 'data-testid': 'lightbox-close' },
    icon(name),
  );
  button.addEventListener('click', onClick);
  return button;
}

function stageButton(
  name: 'left' | 'right',
  label: string,
  side: string,
  onClick: () => void,
): HTMLButtonElement {
  const button = element(
    'button',
    {
      type: 'button',
      class: `stage-button ${side}`,
      'aria-label': label,
      'data-testid': `lightbox-${side}`,
    },
    icon(name),
  );
  button.addEventListener('click', onClick);
  return button;
}
