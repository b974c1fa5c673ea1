import type { Uploader } from 'bulkhead';
import { type AssetChange, processingEventSchema, type Stats } from 'bulkhead/protocol';
import type { ItemNews } from './asset-list.ts';

export interface NewsHandlers {
  /** Something happened to a photo; `name` when this tab sent it. */
  onChange(news: ItemNews, name: string | undefined): void;
  onStats(stats: Stats): void;
}

/**
 * Live news of the library. While uploads are followed, the uploader's own event stream brings them;
 * after a reload there are no uploads, so this page listens by itself until the server is through.
 */
export function followNews(
  uploader: Uploader,
  handlers: NewsHandlers,
): { expect(stats: Stats): void } {
  /** Names of photos on their way, by asset: news carry ids only. */
  const names = new Map<string, string>();
  let source: EventSource | undefined;

  uploader.on('upload-finalized', ({ id, assetId, isDuplicate }) => {
    const upload = uploader.get(id);
    if (upload !== undefined && !isDuplicate) names.set(assetId, upload.name);
  });
  uploader.on('asset-changed', ({ assetId, stage, thumbnailUrl, error }) => {
    handlers.onChange({ id: assetId, stage, thumbnailUrl, error }, names.get(assetId));
    if (stage === 'searchable' || stage === 'failed') names.delete(assetId);
  });
  let lastStats: Stats | null = null;
  uploader.subscribe(() => {
    const { serverStats, watch } = uploader.getSnapshot();
    if (watch !== 'off') stop();
    if (serverStats === null || serverStats === lastStats) return;
    lastStats = serverStats;
    handlers.onStats(serverStats);
  });

  const stop = (): void => {
    source?.close();
    source = undefined;
  };
  const take = (change: AssetChange): void => handlers.onChange(change, undefined);
  const listen = (): void => {
    source = new EventSource('/api/sse/processing-updates');
    source.addEventListener('message', (message: MessageEvent<string>) => {
      const event = processingEventSchema.safeParse(JSON.parse(message.data));
      if (!event.success) return;
      if (event.data.type === 'assets') event.data.changes.forEach(take);
      else {
        handlers.onStats(event.data.stats);
        if (!isAtWork(event.data.stats)) stop();
      }
    });
  };

  return {
    /** Listens if the server has work left and nobody listens yet. */
    expect(stats) {
      if (!isAtWork(stats) || source !== undefined) return;
      if (uploader.getSnapshot().watch === 'off') listen();
    },
  };
}

function isAtWork({ total, embedded, failed }: Stats): boolean {
  return embedded + failed < total;
}
