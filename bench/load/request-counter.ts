import type { CDPSession } from 'playwright';

/** Requests of the page, as the browser sent them, preflights included. */
export interface RequestCounts {
  /** Calls of the API by method and path, ids left out. */
  readonly api: Readonly<Record<string, number>>;
  /** PUTs of bytes to the store. */
  readonly puts: number;
  /** CORS preflights, to either origin. */
  readonly preflights: number;
  /** Thumbnails and other reads from the store. */
  readonly storeReads: number;
  /** The page's own files. */
  readonly page: number;
  /** Requests that got no answer. */
  readonly unanswered: number;
  /** Answers of 400 and above, by status. */
  readonly refusals: Readonly<Record<string, number>>;
}

/** Counts what crosses the wire, by the browser's own protocol: a page cannot see preflights. */
export async function countRequests(
  session: CDPSession,
  baseUrl: string,
): Promise<() => RequestCounts> {
  const counts = { puts: 0, preflights: 0, storeReads: 0, page: 0, unanswered: 0 };
  const api: Record<string, number> = {};
  const refusals: Record<string, number> = {};

  session.on('Network.requestWillBeSent', ({ request, type }) => {
    const url = new URL(request.url);
    if (url.protocol !== 'http:' && url.protocol !== 'https:') return;
    if (type === 'Preflight' || request.method === 'OPTIONS') counts.preflights += 1;
    else if (url.origin !== baseUrl) counts[request.method === 'PUT' ? 'puts' : 'storeReads'] += 1;
    else if (url.pathname.startsWith('/api/')) {
      const route = `${request.method} ${url.pathname.replace(/[0-9a-f-]{36}/g, ':id')}`;
      api[route] = (api[route] ?? 0) + 1;
    } else counts.page += 1;
  });
  session.on('Network.responseReceived', ({ response: { status } }) => {
    if (status >= 400) refusals[status] = (refusals[status] ?? 0) + 1;
  });
  session.on('Network.loadingFailed', ({ canceled }) => {
    if (!canceled) counts.unanswered += 1;
  });
  // Bodies are not asked for: the browser need not keep them.
  await session.send('Network.enable', { maxTotalBufferSize: 0, maxResourceBufferSize: 0 });
  return () => ({ ...counts, api: { ...api }, refusals: { ...refusals } });
}

/** Two counts in one. */
export function sumCounts(a: RequestCounts, b: RequestCounts): RequestCounts {
  return {
    api: sumByName(a.api, b.api),
    puts: a.puts + b.puts,
    preflights: a.preflights + b.preflights,
    storeReads: a.storeReads + b.storeReads,
    page: a.page + b.page,
    unanswered: a.unanswered + b.unanswered,
    refusals: sumByName(a.refusals, b.refusals),
  };
}

function sumByName(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): Record<string, number> {
  const sums: Record<string, number> = { ...a };
  for (const [name, count] of Object.entries(b)) sums[name] = (sums[name] ?? 0) + count;
  return sums;
}
