import {
  type Asset,
  assetSchema,
  assetsResponseSchema,
  PROBLEMS,
  problemSchema,
  retryResponseSchema,
  type Stats,
  searchResponseSchema,
  statsResponseSchema,
} from 'bulkhead/protocol';
import * as z from 'zod/mini';

/** A request of the library that failed, with words for the person. */
export class LibraryError extends Error {
  override readonly name = 'LibraryError';
}

export interface Scored {
  readonly asset: Asset;
  readonly score: number;
}

const PAGE_ASSETS = 100;
/** Photos shown as similar: past that, likeness says little. */
const MAX_LIKE = 60;
/** The most that one search answers. */
export const MAX_FOUND = 200;

/** Newest first. `cursor` is the page before's `nextCursor`. */
export function fetchPage(cursor: string | null, signal?: AbortSignal) {
  const query = new URLSearchParams({ limit: String(PAGE_ASSETS) });
  if (cursor !== null) query.set('cursor', cursor);
  return get(`/api/assets?${query}`, assetsResponseSchema, signal);
}

export async function fetchAsset(id: string, signal?: AbortSignal): Promise<Asset> {
  return (await get(`/api/assets/${id}`, z.object({ asset: assetSchema }), signal)).asset;
}

export async function fetchStats(): Promise<Stats> {
  return (await get('/api/processing-stats', statsResponseSchema)).stats;
}

/** Photos whose name or path has every word. */
export async function searchWords(text: string, signal: AbortSignal): Promise<readonly Scored[]> {
  const query = new URLSearchParams({ q: text, limit: String(MAX_FOUND) });
  return (await get(`/api/search?${query}`, searchResponseSchema, signal)).results;
}

/** Photos that look like this one, most alike first; never the photo itself. */
export async function searchLike(
  id: string,
  signal: AbortSignal,
  limit = MAX_LIKE,
): Promise<readonly Scored[]> {
  const query = new URLSearchParams({ like: id, limit: String(limit) });
  const { results } = await get(`/api/search?${query}`, searchResponseSchema, signal);
  return results.filter(({ asset }) => asset.id !== id);
}

/** Asks the server to process a failed photo again. */
export async function retryProcessing(id: string): Promise<Asset> {
  const request = new Request(`/api/assets/${id}/retry-processing`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: '{}',
  });
  return (await ask(request, retryResponseSchema)).asset;
}

function get<T extends z.ZodMiniType>(
  url: string,
  schema: T,
  signal?: AbortSignal,
): Promise<z.infer<T>> {
  return ask(new Request(url, signal === undefined ? {} : { signal }), schema);
}

async function ask<T extends z.ZodMiniType>(request: Request, schema: T): Promise<z.infer<T>> {
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(request);
    body = await response.json();
  } catch (cause) {
    request.signal.throwIfAborted();
    throw new LibraryError('The server cannot be reached. Check that it runs, then try again.', {
      cause,
    });
  }
  if (!response.ok) throw new LibraryError(problemWords(body));
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new LibraryError('The server answered in a way this page does not understand.', {
    cause: parsed.error,
  });
}

function problemWords(body: unknown): string {
  const problem = problemSchema.safeParse(body);
  if (!problem.success) return 'The server failed. Try again in a moment.';
  const { code, detail } = problem.data;
  if (code === 'unauthenticated')
    return 'This browser is not known here any more. Reload the page.';
  if (code === 'internal') return 'The server failed. Try again in a moment.';
  const { title } = PROBLEMS[code];
  return detail === '' || detail === title ? `${title}.` : `${detail}.`;
}
