import type { Uploader } from 'bulkhead';
import { type Cause, CauseBook, type FailedUpload } from './causes.ts';
import { byId, element, framed, setText, show } from './dom.ts';
import { formatBytes, formatCount, formatCounted } from './format.ts';
import { icon } from './icons.ts';
import { visibleName } from './visible-name.ts';

/** Rows shown for one cause: ten thousand failures must not make ten thousand rows. */
const MAX_ROWS = 50;
/** File names shown while a cause is folded. */
const MAX_NAMES = 3;

/** The panel of failures: by cause, in words, with a retry where that can help. */
export function connectFailures(uploader: Uploader): void {
  const root = byId('failures');
  const title = element('span');
  const heading = element('h2', {}, icon('alert'), title);
  const retryAll = button('Retry all', 'retry-all', () => {
    for (const cause of book.list()) {
      if (cause.isRetryable) for (const id of [...cause.uploads.keys()]) uploader.retry(id);
    }
  });
  retryAll.prepend(icon('retry'));
  const dismiss = button('Dismiss', 'dismiss-failures', () => {
    for (const cause of book.list()) {
      if (!cause.isRetryable) for (const id of [...cause.uploads.keys()]) book.remove(id);
    }
    paint();
  });
  dismiss.classList.add('quiet');
  const causes = element('div');
  root.append(
    element(
      'div',
      { class: 'failures-head' },
      heading,
      element('div', { class: 'failures-actions' }, retryAll, dismiss),
    ),
    causes,
  );

  const book = new CauseBook();
  const views = new Map<Cause, CauseView>();
  const paint = framed(() => {
    const list = book.list();
    show(root, book.count > 0);
    setText(title, titleOf(list, book.count));
    show(
      retryAll,
      list.some(({ isRetryable }) => isRetryable),
    );
    show(
      dismiss,
      list.some(({ isRetryable }) => !isRetryable),
    );
    for (const [cause, view] of views) {
      if (list.includes(cause)) continue;
      view.root.remove();
      views.delete(cause);
    }
    list.forEach((cause, index) => {
      let view = views.get(cause);
      if (view === undefined) {
        view = createCauseView(cause, (id) => uploader.retry(id));
        views.set(cause, view);
      }
      if (causes.children[index] !== view.root) {
        causes.insertBefore(view.root, causes.children[index] ?? null);
      }
      view.paint();
    });
  });

  // A retry that could not even be asked for: nothing changed, but its button may be pressed again.
  uploader.on('upload-failed', ({ id }) => {
    const upload = uploader.get(id);
    if (upload !== undefined && book.has(id)) {
      book.note({ ...upload });
      paint();
    }
  });
  uploader.on('upload-changed', ({ upload, previous }) => {
    const wasFailed =
      previous === 'dead' || previous === 'processing-failed' || previous === 'rejected';
    if ((wasFailed || 'failure' in upload) && book.note(upload)) paint();
  });
}

interface CauseView {
  readonly root: HTMLElement;
  paint(): void;
}

function createCauseView(cause: Cause, retry: (id: string) => void): CauseView {
  const count = element('span', { class: 'cause-count' });
  const what = element('strong');
  const advice = element('span');
  const names = element('span', { class: 'cause-names' });
  const words = element('span', { class: 'cause-words' }, what, ' ', advice, names);
  const summary = element('summary', {}, icon('chevron'), count, words);
  if (cause.isRetryable) {
    const all = button('Retry', 'retry-cause', () => {
      for (const id of [...cause.uploads.keys()]) retry(id);
    });
    // Inside the summary: the press must not open or close it as well.
    all.addEventListener('click', (event) => event.preventDefault());
    summary.append(all);
  }
  const files = element('ul', { 'data-testid': 'failed-files' });
  const more = element('p', { class: 'cause-more' });
  const body = element('div', { class: 'cause-files' }, files, more);
  const root = element('details', { class: 'cause', 'data-testid': 'cause' }, summary, body);
  root.dataset.code = cause.code;
  root.classList.toggle('is-refused', !cause.isRetryable);

  let painted: readonly FailedUpload[] = [];
  const paintFiles = (): void => {
    const uploads = firstOf(cause.uploads.values(), MAX_ROWS);
    // Rows that did not change stay, with the focus that may be in them.
    const isSame =
      uploads.length === painted.length && uploads.every((upload, at) => upload === painted[at]);
    if (!isSame) files.replaceChildren(...uploads.map((upload) => fileRow(upload, cause, retry)));
    painted = uploads;
    const hidden = cause.uploads.size - uploads.length;
    show(more, hidden > 0);
    setText(more, `and ${formatCount(hidden)} more`);
  };
  const paint = (): void => {
    const { what: happened, advice: remedy } = cause.heading();
    setText(count, formatCount(cause.uploads.size));
    setText(what, happened);
    setText(advice, remedy);
    show(names, !root.open);
    if (root.open) paintFiles();
    else setText(names, namesOf(cause));
  };
  root.addEventListener('toggle', paint);
  return { root, paint };
}

/** `a.jpg, b.jpg, c.jpg and 12 more`. */
function namesOf({ uploads }: Cause): string {
  // Isolated, so that one name's direction of writing does not reorder the others.
  const names = firstOf(uploads.values(), MAX_NAMES).map(
    ({ name }) => `\u2068${visibleName(name)}\u2069`,
  );
  const hidden = uploads.size - names.length;
  return `${names.join(', ')}${hidden > 0 ? ` and ${formatCount(hidden)} more` : ''}`;
}

function firstOf<T>(values: Iterable<T>, count: number): T[] {
  const first: T[] = [];
  for (const value of values) {
    if (first.length === count) break;
    first.push(value);
  }
  return first;
}

function fileRow(upload: FailedUpload, cause: Cause, retry: (id: string) => void): HTMLElement {
  const name = visibleName(upload.path);
  const row = element(
    'li',
    { class: 'cause-file', 'data-testid': 'failed-file' },
    element('bdi', { title: name }, name),
    element('span', { class: 'size' }, formatBytes(upload.sizeBytes)),
  );
  if (cause.isRetryable) {
    const again = button('Retry', 'retry', () => {
      again.disabled = true;
      retry(upload.id);
    });
    again.setAttribute('aria-label', `Retry ${name}`);
    row.append(again);
  }
  const detail = cause.detail(upload);
  if (detail !== '') row.append(element('span', { class: 'detail' }, detail));
  return row;
}

function titleOf(causes: readonly Cause[], count: number): string {
  const isAllRefused = causes.every(({ isRetryable }) => !isRetryable);
  if (isAllRefused) return `${formatCounted(count, 'file')} could not be taken`;
  return `${formatCounted(count, 'file')} need${count === 1 ? 's' : ''} attention`;
}

function button(label: string, testId: string, onClick: () => void): HTMLButtonElement {
  const made = element(
    'button',
    { type: 'button', class: 'button small', 'data-testid': testId },
    label,
  );
  made.addEventListener('click', onClick);
  return made;
}
