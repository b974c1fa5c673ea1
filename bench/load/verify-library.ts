import { createHash } from 'node:crypto';
import { type Asset, assetsResponseSchema, MAX_PAGE_ASSETS } from 'bulkhead/protocol';
import type { ImageFile } from './image-set.ts';

/** What is wrong with the library, by the path of a source or the id of an asset. */
export interface LibraryVerdict {
  /** Sources of which there is no asset. */
  readonly missing: readonly string[];
  /** Sources of which there is more than one. */
  readonly repeated: readonly string[];
  /** Assets whose stored bytes are not those of the source. */
  readonly altered: readonly string[];
  readonly notSearchable: readonly string[];
  /** Assets that no source explains. */
  readonly extra: readonly string[];
  /** Assets that the server had acknowledged and no longer has. */
  readonly lost: readonly string[];
  /** Sources that arrived exactly once, unaltered and searchable. */
  readonly arrived: number;
}

export interface LibraryAccess {
  readonly baseUrl: string;
  /** The page's cookie: whose library it is. */
  readonly cookie: string;
}

/** Downloads at once; more would only queue on two cores. */
const PARALLEL_DOWNLOADS = 4;

/** Compares the whole library with its sources, byte for byte. */
export async function verifyLibrary(
  access: LibraryAccess,
  sources: readonly ImageFile[],
  acknowledged: readonly string[],
): Promise<LibraryVerdict> {
  const assets = await listAssets(access);
  const stored = await hashStored(assets, access.baseUrl);
  return judgeLibrary(assets, stored, sources, acknowledged);
}

/** The comparison itself. `stored`: SHA-256 in hex of what each asset's URL gave, by asset id. */
export function judgeLibrary(
  assets: readonly Pick<Asset, 'id' | 'checksum' | 'stage'>[],
  stored: ReadonlyMap<string, string>,
  sources: readonly ImageFile[],
  acknowledged: readonly string[],
): LibraryVerdict {
  const byChecksum = Map.groupBy(assets, ({ checksum }) => checksum);
  const ids = new Set(assets.map(({ id }) => id));
  const explained = new Set(sources.map(({ checksum }) => checksum));
  const isAltered = ({ id, checksum }: { id: string; checksum: string }) =>
    stored.get(id) !== checksum;
  const found = (source: ImageFile) => byChecksum.get(source.checksum) ?? [];

  return {
    missing: sources.filter((source) => found(source).length === 0).map(({ path }) => path),
    repeated: sources.filter((source) => found(source).length > 1).map(({ path }) => path),
    altered: assets.filter(isAltered).map(({ id }) => id),
    notSearchable: assets.filter(({ stage }) => stage !== 'searchable').map(({ id }) => id),
    extra: assets.filter(({ checksum }) => !explained.has(checksum)).map(({ id }) => id),
    lost: [...new Set(acknowledged)].filter((id) => !ids.has(id)),
    arrived: sources.filter((source) => {
      const [asset, ...others] = found(source);
      return asset?.stage === 'searchable' && others.length === 0 && !isAltered(asset);
    }).length,
  };
}

/** Whether everything arrived exactly once and nothing else did. */
export function isExact(verdict: LibraryVerdict): boolean {
  const { missing, repeated, altered, notSearchable, extra, lost } = verdict;
  return [missing, repeated, altered, notSearchable, extra, lost].every((list) => !list.length);
}

async function listAssets({ baseUrl, cookie }: LibraryAccess): Promise<Asset[]> {
  const assets: Asset[] = [];
  let cursor: string | null = null;
  do {
    const url = new URL('/api/assets', baseUrl);
    url.searchParams.set('limit', String(MAX_PAGE_ASSETS));
    if (cursor !== null) url.searchParams.set('cursor', cursor);
    const response = await fetch(url, { headers: { cookie } });
    if (!response.ok) throw new Error(`GET /api/assets answered ${response.status}`);
    const page = assetsResponseSchema.parse(await response.json());
    assets.push(...page.assets);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return assets;
}

async function hashStored(assets: readonly Asset[], baseUrl: string): Promise<Map<string, string>> {
  const stored = new Map<string, string>();
  const waiting = assets.values();
  const work = async () => {
    for (const { id, blobUrl } of waiting) {
      const response = await fetch(new URL(blobUrl, baseUrl));
      const hash = createHash('sha256');
      if (response.body) for await (const chunk of response.body) hash.update(chunk);
      stored.set(id, response.ok ? hash.digest('hex') : `status ${response.status}`);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_DOWNLOADS }, work));
  return stored;
}
