import type { Logger } from '../logging.ts';

/** Counts what the workers did, and logs it in one line every few seconds instead of per image. */
export interface JobSummary {
  count(what: keyof typeof WORDS): void;
  /** Logs what is left. */
  flush(): void;
}

const WORDS = {
  processed: 'processed',
  embedded: 'embedded',
  retried: 'will retry',
  failed: 'failed for good',
} as const;

export function createJobSummary(logger: Logger, everyMs = 5000): JobSummary {
  const counts = new Map<keyof typeof WORDS, number>();
  let timer: NodeJS.Timeout | undefined;

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    if (counts.size === 0) return;
    const words = [...counts].map(([what, n], i) =>
      i === 0 ? `${WORDS[what]} ${n} image${n === 1 ? '' : 's'}` : `${WORDS[what]} ${n}`,
    );
    logger.info(Object.fromEntries(counts), `[Jobs] ${words.join(', ')}`);
    counts.clear();
  }

  return {
    count(what) {
      counts.set(what, (counts.get(what) ?? 0) + 1);
      timer ??= setTimeout(flush, everyMs).unref();
    },
    flush,
  };
}
