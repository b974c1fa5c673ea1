import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { openComparePage } from './browser.ts';
import type { Variant } from './clients.ts';
import type { CpuSeconds } from './cpu-time.ts';
import type { NeutralServer } from './neutral-server.ts';
import type { PageMeasure } from './page/page-bench.ts';
import type { Intake } from './server/exchange.ts';
import type { Arrivals } from './server/tally.ts';

/** How one client did in one round. */
export type Outcome =
  | ({ readonly status: 'finished' } & PageMeasure & {
        /** Highest of the samples of the page's JavaScript heap. */
        readonly heapBytes: number;
        /** Absent of what was measured before it was counted. */
        readonly cpu?: CpuSeconds;
        /** All requests, preflights too, by the number of files. */
        readonly requestsPerFile: number;
        readonly requests: Arrivals['requests'];
        /** Files that were sent more than once. */
        readonly repeated: number;
      })
  /** It took longer than it was given. */
  | { readonly status: 'unfinished'; readonly limitMs: number; readonly arrivedFiles: number }
  /** It gave up, lost files, or said that it was done when it was not. */
  | { readonly status: 'failed'; readonly reason: string };

export interface RunParts {
  readonly server: NeutralServer;
  readonly paths: readonly string[];
  readonly sizeBytes: number;
  readonly delayMs: number;
  readonly limitMs: number;
  /** Where a profile of the page goes. */
  readonly profileFile: string | undefined;
}

/** Sends all files once, by one client in a browser of its own, and looks at what arrived. */
export async function runOnce(
  { page: client, intake = 'puts' }: Variant,
  parts: RunParts,
): Promise<{ readonly outcome: Outcome; readonly chromium: string }> {
  const { server, paths, delayMs, limitMs } = parts;
  await server.begin({ delayMs, intake });
  const browser = await openComparePage(server.apiUrl);
  const chromium = browser.version;
  try {
    const { apiUrl, storeUrl } = server;
    await browser.page.locator('input').setInputFiles([...paths]);
    const stopProfile = parts.profileFile === undefined ? undefined : await browser.profile();
    const highestHeap = browser.watchHeap();
    const cpuOfBrowser = await browser.watchCpu();
    const running = browser.page.evaluate(
      ([asked, servers]) => window.compareBench?.run(asked, servers),
      [client, { apiUrl, storeUrl }] as const,
    );
    const measure = await within(limitMs, running).catch((error: Error) => error);
    const heapBytes = highestHeap();
    const ofBrowser = await cpuOfBrowser();
    const { arrivals, cpuSeconds } = await server.arrivals();
    if (measure === TIMED_OUT) {
      const arrivedFiles = arrivals.files.length;
      return { chromium, outcome: { status: 'unfinished', limitMs, arrivedFiles } };
    }
    if (stopProfile && parts.profileFile !== undefined) {
      await mkdir(path.dirname(parts.profileFile), { recursive: true });
      await writeFile(parts.profileFile, JSON.stringify(await stopProfile()));
    }
    if (measure === undefined || measure instanceof Error) {
      const reason = measure?.message ?? 'The page has lost its bench';
      return { chromium, outcome: { status: 'failed', reason } };
    }
    const reason = browser.errors[0] ?? findLoss(arrivals, parts, intake);
    if (reason !== undefined) return { chromium, outcome: { status: 'failed', reason } };
    const requests = Object.values(arrivals.requests).reduce((sum, count) => sum + count, 0);
    const outcome: Outcome = {
      status: 'finished',
      ...measure,
      heapBytes,
      cpu: { ...ofBrowser, server: cpuSeconds },
      requestsPerFile: requests / paths.length,
      requests: arrivals.requests,
      repeated: arrivals.repeated,
    };
    return { chromium, outcome };
  } finally {
    await browser.close();
  }
}

const TIMED_OUT = Symbol('timed out');

async function within<T>(limitMs: number, work: Promise<T>): Promise<T | typeof TIMED_OUT> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<typeof TIMED_OUT>((resolve) => {
    timer = setTimeout(() => resolve(TIMED_OUT), limitMs);
  });
  // The page that is closed later on rejects what nobody waits for any more.
  work.catch(() => {});
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** What is missing of what the client said it had done. */
function findLoss(
  { files, finalized, requests }: Arrivals,
  { paths, sizeBytes }: RunParts,
  intake: Intake,
): string | undefined {
  const sizes = new Map(files);
  const names = paths.map((file) => path.basename(file));
  const lost = names.filter((name) => !sizes.has(name));
  if (lost.length > 0) return `${lost.length} files never arrived, ${lost[0]} for one`;
  const cut = names.filter((name) => sizes.get(name) !== sizeBytes);
  if (cut.length > 0) return `${cut.length} files have another size, ${cut[0]} for one`;
  if (sizes.size > names.length) return `${sizes.size - names.length} files came from nowhere`;
  if (finalized !== names.length) return `${finalized} of ${names.length} were reported as done`;
  if (intake === 'packs' && requests['POST /api/upload-pack'] === undefined)
    return 'No pack was sent';
  return undefined;
}
