import { visibleName } from 'bulkhead/element';
import { PROBLEMS } from 'bulkhead/protocol';
import { element, setText, show } from './dom.ts';
import { formatBytes, formatDate } from './format.ts';
import { icon } from './icons.ts';
import type { LibraryItem } from './library-item.ts';
import { problemWords } from './problem-words.ts';

const STAGE_WORDS = {
  processing: 'Uploaded, being processed',
  embedding: 'Processed, being indexed',
  searchable: 'Ready to search',
  failed: 'Could not be processed',
} as const;

export interface Facts {
  readonly parts: readonly HTMLElement[];
  show(item: LibraryItem): void;
  /** The details could not be fetched. */
  fail(words: string): void;
}

/** What is known of a photo, and what can be done with it. */
export function createFacts(handlers: { onLike(): void; onRetry(): Promise<void> }): Facts {
  const list = element('dl', { 'data-testid': 'lightbox-facts' });
  const problem = element('p', { class: 'facts-problem', role: 'status' });
  const like = element(
    'button',
    { type: 'button', class: 'button primary', 'data-testid': 'more-like-this' },
    icon('like'),
    'More like this',
  );
  const retry = element(
    'button',
    { type: 'button', class: 'button', 'data-testid': 'lightbox-retry' },
    icon('retry'),
    'Process again',
  );
  const download = element(
    'a',
    { class: 'button', 'data-testid': 'download', rel: 'noreferrer' },
    icon('download'),
    'Download original',
  );
  like.addEventListener('click', handlers.onLike);
  retry.addEventListener('click', () => {
    retry.disabled = true;
    handlers
      .onRetry()
      .catch((error: unknown) => fail(error instanceof Error ? error.message : String(error)))
      .finally(() => {
        retry.disabled = false;
      });
  });
  const actions = element('div', { class: 'facts-actions' }, like, retry, download);

  const fail = (words: string): void => {
    setText(problem, words);
    show(problem, true);
  };

  return {
    parts: [problem, list, actions],
    fail,
    show({ asset, stage, error }) {
      show(like, stage === 'searchable');
      show(retry, stage === 'failed' && (error === null || mayHelp(error.code)));
      show(download, asset !== undefined);
      if (asset !== undefined) download.href = asset.blobUrl;
      show(problem, error !== null && stage === 'failed');
      if (error !== null) setText(problem, problemWords(error));

      const rows: [string, string][] = [];
      if (asset?.width && asset.height) {
        rows.push(['Dimensions', `${asset.width} × ${asset.height}`]);
      }
      if (asset !== undefined) {
        rows.push(['Size', formatBytes(asset.size)], ['Type', typeWords(asset.mimeType)]);
        if (asset.path !== null) rows.push(['Folder', visibleName(folderOf(asset.path))]);
        rows.push(['Added', formatDate(asset.createdAt)]);
      }
      rows.push(['Status', STAGE_WORDS[stage]]);
      list.replaceChildren(
        ...rows.flatMap(([term, value]) => [element('dt', {}, term), element('dd', {}, value)]),
      );
    },
  };
}

function mayHelp(code: keyof typeof PROBLEMS): boolean {
  return PROBLEMS[code].isRetryable || code === 'max_retries_exceeded';
}

function typeWords(mimeType: string): string {
  return mimeType.replace(/^image\//, '').toUpperCase();
}

function folderOf(path: string): string {
  return path.split('/').slice(0, -1).join(' / ') || '/';
}
