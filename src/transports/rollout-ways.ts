import { UploadError } from '../errors/upload-error.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type {
  AdapterCapabilities,
  FinalizeOutcome,
  FinalizeRequest,
  PackOutcome,
  PackRequest,
  PutOutcome,
  PutRequest,
  ReconcileRequest,
  ReconcileResult,
  UploadAdapter,
} from './adapter.ts';
import { DirectHealth, type FallbackReason } from './direct-health.ts';
import { RolloutOwners, type Way } from './rollout-owners.ts';

export interface RolloutWaysOptions extends Readonly<Record<Way, UploadAdapter>> {
  /** The way of this page's new uploads. */
  readonly home: Way;
  readonly runtime: Runtime;
  readonly onFallback: (reason: FallbackReason, error: UploadError) => void;
}

type Credentials = UploadAdapter['credentials'];

/** One page's uploads, each with the adapter that granted it. */
export class RolloutWays {
  readonly #options: RolloutWaysOptions;
  readonly #owners: RolloutOwners;
  readonly #health: DirectHealth;
  /** A page that is out leaves the direct backend alone, but for uploads that are known to be its. */
  readonly #ways: readonly Way[];
  #current: Way;

  constructor(options: RolloutWaysOptions) {
    const { direct, legacy, home, runtime } = options;
    this.#options = options;
    this.#owners = new RolloutOwners(`${direct.name}:${legacy.name}`, runtime);
    this.#health = new DirectHealth(direct);
    this.#ways = home === 'direct' ? WAYS : ['legacy'];
    this.#current = home;
  }

  asAdapter(): UploadAdapter {
    const { direct, legacy, home } = this.#options;
    const ways = this.#ways.map((way) => this.#options[way]);
    const watcher = ways.find(({ watch }) => watch);
    const changer = ways.find(({ assetChanges }) => assetChanges);
    const retrier = ways.find(({ retryProcessing }) => retryProcessing);
    return {
      name: `rollout:${this.#options[home].name}`,
      capabilities: common(ways, () => this.#options[this.#current]),
      credentials: (files, signal) => this.#credentials(files, signal),
      put: (request) => this.#put(request),
      ...(ways.some(({ putPack }) => putPack) && {
        putPack: (request) => this.#putPack(request),
      }),
      finalize: (items, signal) => this.#finalize(items, signal),
      head: (items, signal) => this.#head(items, signal),
      ...(ways.some(({ reconcile }) => reconcile) && {
        reconcile: (files, signal) => this.#reconcile(files, signal),
      }),
      abort: async (credential) => {
        const owner = this.#ownerOf(credential);
        this.#owners.givenUp(credential.assetId);
        await owner.abort?.(credential);
      },
      ...(ways.some(({ isStoreReachable }) => isStoreReachable) && {
        isStoreReachable: async (credential) =>
          (await this.#ownerOf(credential).isStoreReachable?.(credential)) ?? false,
      }),
      ...(watcher && { watch: (listener) => watcher.watch?.(listener) ?? (() => {}) }),
      ...(changer && {
        assetChanges: async (ids, signal) => (await changer.assetChanges?.(ids, signal)) ?? [],
      }),
      ...(retrier && {
        retryProcessing: async (id, signal) => retrier.retryProcessing?.(id, signal),
      }),
      classify: (error) => direct.classify?.(error) ?? legacy.classify?.(error),
    } satisfies UploadAdapter;
  }

  /** Of one that this page was granted. */
  #ownerOf({ assetId }: { readonly assetId: string }): UploadAdapter {
    return this.#options[this.#owners.ofAsset(assetId) ?? this.#current];
  }

  async #credentials(...[files, signal]: Parameters<Credentials>): ReturnType<Credentials> {
    if (this.#current === 'direct' && (await this.#health.isRefutedBy(files))) {
      const message = 'The store has nothing of what was sent to it.';
      this.#fallBack('blocked', new UploadError('not_uploaded', message));
    }
    const way = this.#current;
    try {
      const results = await this.#options[way].credentials(files, signal);
      for (const [at, result] of results.entries()) {
        const id = files[at]?.id;
        if (result.status !== 'granted' || id === undefined) continue;
        this.#owners.granted({ id, assetId: result.credential.assetId }, way);
      }
      return results;
    } catch (cause) {
      const error = this.#understood(cause);
      const reason = way === 'direct' ? this.#health.reasonIn(error) : undefined;
      if (!reason) throw cause;
      this.#fallBack(reason, error);
      return this.#credentials(files, signal);
    }
  }

  async #put(request: PutRequest): Promise<PutOutcome> {
    const { upload, credential } = request;
    const way = this.#owners.ofAsset(credential.assetId) ?? this.#current;
    if (way === 'direct' && this.#current === 'legacy') throw reissue();
    this.#owners.begins(upload.id, way);
    const sent = way === 'direct' ? this.#putDirect(request) : this.#options.legacy.put(request);
    const outcome = await sent;
    if (typeof outcome === 'object') this.#owners.finalized(idsOf(request));
    return outcome;
  }

  async #putDirect(request: PutRequest): Promise<PutOutcome> {
    const put = this.#health.begin(request.credential);
    const onProgress = (sentBytes: number) => {
      put.sentBytes = sentBytes;
      request.onProgress(sentBytes);
    };
    try {
      const outcome = await this.#options.direct.put({ ...request, onProgress });
      if (outcome === 'lost') this.#health.lost(request.upload.id, put);
      else this.#health.stored();
      return outcome;
    } catch (cause) {
      const error = this.#understood(cause);
      const reason = await this.#health.failed(error, put);
      if (reason) this.#fallBack(reason, error);
      // The other uploads of the page may have changed the way meanwhile.
      if (this.#current === 'direct' || error.code === 'cancelled') throw cause;
      throw reissue();
    }
  }

  /** Packs go to the API: that they come through says nothing of the store. */
  async #putPack(request: PackRequest): Promise<readonly PackOutcome[]> {
    if (request.signal.aborted) throw new UploadError('cancelled', 'The upload was cancelled.');
    const adapter = this.#options[this.#current];
    // The way may have changed since the pack was filled.
    const items = request.items.filter(({ credential }) => this.#ownerOf(credential) === adapter);
    if (!adapter.putPack || items.length === 0) return request.items.map(refused);
    const outcomes = await adapter.putPack({ ...request, items });
    return request.items.map((item) => {
      const outcome = outcomes[items.indexOf(item)] ?? refused();
      if (typeof outcome === 'object' && 'finalized' in outcome)
        this.#owners.finalized(idsOf(item));
      return outcome;
    });
  }

  async #finalize(
    items: readonly FinalizeRequest[],
    signal: AbortSignal,
  ): Promise<readonly FinalizeOutcome[]> {
    const outcomes = await this.#byOwner(items, async (own, way) => {
      if (way === undefined) return this.#finalizeUnknown(own, signal);
      if (this.#isForeign(way)) return this.#finalizeFound(way, own, signal);
      return this.#options[way].finalize(own, signal);
    });
    for (const [at, item] of items.entries()) {
      if (outcomes[at]?.status !== 'finalized') continue;
      this.#owners.finalized(item);
      this.#health.finalized(item.id);
    }
    return outcomes;
  }

  /** Of an earlier page, and nobody knows who granted them. What nobody has is sent again. */
  async #finalizeUnknown(
    items: readonly FinalizeRequest[],
    signal: AbortSignal,
  ): Promise<readonly FinalizeOutcome[]> {
    const outcomes = new Map<FinalizeRequest, FinalizeOutcome>();
    for (const way of this.#ways) {
      const missing = items.filter((item) => isMissing(outcomes.get(item)));
      const found = await this.#finalizeFound(way, missing, signal);
      for (const [at, item] of missing.entries()) outcomes.set(item, found[at] ?? notUploaded());
    }
    return items.map((item) => outcomes.get(item) ?? notUploaded());
  }

  /** Finalizes what the adapter knows to be stored: nothing is taken for done unseen. */
  async #finalizeFound(
    way: Way,
    items: readonly FinalizeRequest[],
    signal: AbortSignal,
  ): Promise<readonly FinalizeOutcome[]> {
    try {
      const there = await this.#areThere(way, items, signal);
      const found = items.filter((_, at) => there[at]);
      if (found.length === 0) return items.map(notUploaded);
      const outcomes = await this.#options[way].finalize(found, signal);
      return items.map((item) => outcomes[found.indexOf(item)] ?? notUploaded());
    } catch (cause) {
      // A backend that this page does not go by holds nobody up: the bytes go by the legacy way.
      const mayPass = !this.#isForeign(way) && this.#understood(cause).isRetryable;
      if (signal.aborted || mayPass) throw cause;
      return items.map(notUploaded);
    }
  }

  async #head(items: readonly FinalizeRequest[], signal: AbortSignal): Promise<readonly boolean[]> {
    return this.#byOwner(items, async (own, way) => {
      const ways = way === undefined ? this.#ways : [way];
      const answers = await Promise.all(ways.map((each) => this.#areThere(each, own, signal)));
      return own.map((_, at) => answers.some((there) => there[at]));
    });
  }

  /** As far as the adapter can tell. One that looks for itself at finalize is not asked twice. */
  async #areThere(
    way: Way,
    items: readonly FinalizeRequest[],
    signal: AbortSignal,
  ): Promise<readonly boolean[]> {
    const adapter = this.#options[way];
    const isVerifying = adapter.capabilities.verifiesAtFinalize === true;
    if (isVerifying || !adapter.head || items.length === 0) return items.map(() => isVerifying);
    return adapter.head(items, signal);
  }

  /** Each is asked about where it goes, and then of the other way, which may have it by another try. */
  async #reconcile(
    files: readonly ReconcileRequest[],
    signal: AbortSignal,
  ): Promise<readonly ReconcileResult[]> {
    const begun = new Map(files.map((file) => [file, this.#owners.begun(file.id)]));
    const answers = new Map<ReconcileRequest, ReconcileResult>();
    const ask = async (way: Way, isFirst: boolean) => {
      const asked = files.filter((file) => {
        const isHere = (begun.get(file) ?? this.#current) === way;
        return isHere === isFirst && !answers.has(file);
      });
      if (asked.length === 0) return;
      const results = (await this.#options[way].reconcile?.(asked, signal)) ?? [];
      for (const [at, result] of results.entries()) {
        const file = asked[at];
        if (!file || result.kind === 'unknown') continue;
        const owned = { id: file.id, assetId: result.assetId };
        if (result.kind === 'finalized') this.#owners.finalized(owned);
        // What it was granted by the way it went stands in its row.
        else if (isFirst || !begun.get(file)) this.#owners.granted(owned, way);
        else continue;
        answers.set(file, result);
      }
    };
    for (const way of WAYS) await ask(way, true);
    for (const way of this.#ways) await ask(way, false);
    return files.map((file) => answers.get(file) ?? { kind: 'unknown' });
  }

  /** Answers in the order of the items; each is asked of the way it goes, or of none. */
  async #byOwner<T>(
    items: readonly FinalizeRequest[],
    ask: (own: readonly FinalizeRequest[], way: Way | undefined) => Promise<readonly T[]>,
  ): Promise<T[]> {
    const owners = new Map(items.map((item) => [item, this.#owners.of(item)]));
    const answers = new Map<FinalizeRequest, T>();
    for (const way of [...WAYS, undefined]) {
      const own = items.filter((item) => owners.get(item) === way);
      if (own.length === 0) continue;
      const given = await ask(own, way);
      for (const [at, item] of own.entries()) {
        const answer = given[at];
        if (answer === undefined) {
          throw new UploadError('unexpected_response', `The ${way} adapter left an upload out.`);
        }
        answers.set(item, answer);
      }
    }
    return items.flatMap((item) => answers.get(item) ?? []);
  }

  /** On a page that is out: its capabilities do not speak of the direct adapter. */
  #isForeign(way: Way): boolean {
    return !this.#ways.includes(way);
  }

  #understood(cause: unknown): UploadError {
    if (cause instanceof UploadError) return cause;
    const { direct, legacy } = this.#options;
    const known = direct.classify?.(cause) ?? legacy.classify?.(cause);
    return known ?? new UploadError('unexpected', String(cause), { cause });
  }

  #fallBack(reason: FallbackReason, error: UploadError): void {
    if (this.#current === 'legacy') return;
    this.#current = 'legacy';
    this.#options.onFallback(reason, error);
  }
}

const WAYS: readonly Way[] = ['direct', 'legacy'];

/** The credential is of the way that does not work: another one is asked for, of the legacy way. */
function reissue(): UploadError {
  const message = 'The direct way does not work on this page: the file goes by the legacy way.';
  return new UploadError('url_expired', message);
}

const idsOf = ({ upload, credential }: Pick<PutRequest, 'upload' | 'credential'>) => {
  return { id: upload.id, assetId: credential.assetId };
};

const refused = () => ({ failed: reissue() });

function notUploaded(): FinalizeOutcome {
  const message = 'Neither way has it, or says so.';
  return { status: 'failed', error: new UploadError('not_uploaded', message) };
}

function isMissing(outcome: FinalizeOutcome | undefined): boolean {
  return !outcome || (outcome.status === 'failed' && outcome.error.action === 'conflict');
}

/** What holds whichever of the ways an upload goes by. */
function common(ways: readonly UploadAdapter[], current: () => UploadAdapter): AdapterCapabilities {
  const all = ways.map(({ capabilities }) => capabilities);
  return {
    maxConcurrency: Math.min(...all.map(({ maxConcurrency }) => maxConcurrency)),
    maxBatchFiles: Math.min(...all.map(({ maxBatchFiles }) => maxBatchFiles)),
    createOnly: all.every(({ createOnly }) => createOnly),
    checksum: all.every(({ checksum }) => checksum === 'sha256') ? 'sha256' : 'none',
    verifiesAtFinalize: all.every(({ verifiesAtFinalize }) => verifiesAtFinalize),
    get multipart() {
      return current().capabilities.multipart === true;
    },
    // It may become known by the first credentials, and ends where a page falls back.
    get pack() {
      const { putPack, capabilities } = current();
      return putPack && capabilities.pack;
    },
  };
}
