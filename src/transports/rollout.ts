/**
 * `bulkhead/rollout`: moves users from one backend to another, a share of them at a time.
 *
 * @module bulkhead/rollout
 */
import * as z from 'zod/mini';
import { UploadError } from '../errors/upload-error.ts';
import { type Runtime, systemRuntime } from '../runtime/runtime.ts';
import type {
  AdapterCapabilities,
  FinalizeOutcome,
  FinalizeRequest,
  UploadAdapter,
} from './adapter.ts';
import { functionOption, parseOptions } from './option-shapes.ts';

/** Why uploads went on by the legacy way. */
export interface RolloutFallback {
  readonly reason: 'blocked' | 'unsupported';
  readonly error: UploadError;
}

const adapterOption = z.custom<UploadAdapter>(
  (value) => typeof value === 'object' && value !== null && 'credentials' in value,
  'expected an adapter',
);

const optionsSchema = z.strictObject({
  /** How many of a hundred keys go the direct way, 0 to 100. Who is in stays in while it grows. */
  percent: z.number().check(z.minimum(0), z.maximum(100)),
  /** The user's or tenant's id: the same one always goes the same way. */
  key: z.string().check(z.minLength(1)),
  /** The adapter of the direct way. */
  direct: adapterOption,
  /** The adapter of the way of old, for everybody else. */
  legacy: adapterOption,
  /** Told once, when the direct way turned out not to work for this page. Default: nobody is. */
  onFallback: z.optional(functionOption<(fallback: RolloutFallback) => void>()),
});
/**
 * What `withRollout` takes.
 *
 * @interface
 */
export type RolloutOptions = z.input<typeof optionsSchema>;

/** PUTs that must have failed without an answer before the store is asked whether it is there. */
const FAILURES_TO_ASK = 3;
const UNSUPPORTED = [404, 405, 501];

/**
 * Where a key stands between 0 and 100: the same one in every browser and every release (FNV-1a, 32 bits,
 * with its bits mixed once more).
 */
export function rolloutShare(key: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(key)) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32) * 100;
}

/**
 * Moves users from one backend to another, a share of them at a time. A page whose direct way is blocked or
 * not there, before it stored anything, goes on by the legacy way until it is reloaded.
 *
 * @throws OptionError at once, when an option is unknown or wrong
 */
export function withRollout(
  input: RolloutOptions,
  runtime: Runtime = systemRuntime(),
): UploadAdapter {
  const options = parseOptions('withRollout', optionsSchema, input);
  const { percent, key, direct, legacy } = options;
  if (rolloutShare(key) >= percent) return legacy;
  return new DirectWithFallback(direct, legacy, (fallback) => {
    try {
      options.onFallback?.(fallback);
    } catch (error) {
      runtime.reportError(error);
    }
  }).asAdapter();
}

/** One page's uploads: each stays with the adapter that granted it. */
class DirectWithFallback {
  readonly #direct: UploadAdapter;
  readonly #legacy: UploadAdapter;
  readonly #onFallback: (fallback: RolloutFallback) => void;
  /** By the assets' ids. */
  readonly #owners = new Map<string, UploadAdapter>();
  #current: UploadAdapter;
  #hasStored = false;
  #failures = 0;

  constructor(
    direct: UploadAdapter,
    legacy: UploadAdapter,
    onFallback: (fallback: RolloutFallback) => void,
  ) {
    this.#direct = direct;
    this.#legacy = legacy;
    this.#onFallback = onFallback;
    this.#current = direct;
  }

  asAdapter(): UploadAdapter {
    const [direct, legacy] = [this.#direct, this.#legacy];
    const { putPack, head, reconcile, isStoreReachable } = direct;
    const watcher = direct.watch ? direct : legacy;
    const changer = direct.assetChanges ? direct : legacy;
    const retrier = direct.retryProcessing ? direct : legacy;
    return {
      name: `rollout:${direct.name}`,
      capabilities: common(direct, legacy),
      credentials: (files, signal) => this.#credentials(files, signal),
      put: (request) => this.#put(request),
      finalize: (items, signal) => this.#finalize(items, signal),
      // Packs are made of one adapter's credentials: those of the legacy way go one by one.
      ...(putPack && {
        putPack: (request) => this.#packOrSingle(request),
      }),
      ...((head || legacy.head) && { head: (items, signal) => this.#head(items, signal) }),
      ...((reconcile || legacy.reconcile) && {
        reconcile: (files, signal) => this.#reconcile(files, signal),
      }),
      abort: async (credential) => this.#ownerOf(credential.assetId).abort?.(credential),
      ...(isStoreReachable && {
        isStoreReachable: async (credential) =>
          (await this.#ownerOf(credential.assetId).isStoreReachable?.(credential)) ?? true,
      }),
      ...(watcher.watch && { watch: (listener) => watcher.watch?.(listener) ?? (() => {}) }),
      ...(changer.assetChanges && {
        assetChanges: async (ids, signal) => (await changer.assetChanges?.(ids, signal)) ?? [],
      }),
      ...(retrier.retryProcessing && {
        retryProcessing: async (id, signal) => retrier.retryProcessing?.(id, signal),
      }),
      classify: (error) => direct.classify?.(error) ?? legacy.classify?.(error),
    } satisfies UploadAdapter;
  }

  #ownerOf(assetId: string): UploadAdapter {
    return this.#owners.get(assetId) ?? this.#current;
  }

  async #credentials(
    files: Parameters<UploadAdapter['credentials']>[0],
    signal: AbortSignal,
  ): ReturnType<UploadAdapter['credentials']> {
    const adapter = this.#current;
    try {
      const results = await adapter.credentials(files, signal);
      for (const result of results) {
        if (result.status === 'granted') this.#owners.set(result.credential.assetId, adapter);
      }
      return results;
    } catch (cause) {
      const error = this.#understood(cause);
      if (adapter !== this.#direct || !this.#isUnsupported(error)) throw cause;
      this.#fallBack('unsupported', error);
      return this.#credentials(files, signal);
    }
  }

  async #put(request: Parameters<UploadAdapter['put']>[0]): ReturnType<UploadAdapter['put']> {
    const { credential } = request;
    const owner = this.#ownerOf(credential.assetId);
    if (owner !== this.#current && owner === this.#direct) throw this.#reissue();
    try {
      const outcome = await owner.put(request);
      if (outcome !== 'lost' && owner === this.#direct) this.#hasStored = true;
      return outcome;
    } catch (cause) {
      if (owner !== this.#direct) throw cause;
      const error = this.#understood(cause);
      if (this.#isUnsupported(error)) this.#fallBack('unsupported', error);
      else if (await this.#isBlocked(error, credential)) this.#fallBack('blocked', error);
      // The other uploads of the page may have changed the way meanwhile.
      if (this.#current === this.#direct || error.code === 'cancelled') throw cause;
      throw this.#reissue();
    }
  }

  async #packOrSingle(
    request: Parameters<NonNullable<UploadAdapter['putPack']>>[0],
  ): ReturnType<NonNullable<UploadAdapter['putPack']>> {
    const { items, signal, onProgress } = request;
    const owner = this.#ownerOf(items[0]?.credential.assetId ?? '');
    const isPacked = owner === this.#direct && this.#current === this.#direct;
    if (isPacked && owner.putPack) {
      const outcomes = await owner.putPack(request);
      if (outcomes.some((outcome) => outcome !== 'lost')) this.#hasStored = true;
      return outcomes;
    }
    let before = 0;
    const outcomes: Awaited<ReturnType<NonNullable<UploadAdapter['putPack']>>>[number][] = [];
    for (const item of items) {
      const sentBefore = before;
      const report = (sentBytes: number) => onProgress(sentBefore + sentBytes);
      const outcome = await this.#put({ ...item, signal, onProgress: report }).catch(
        (cause: unknown) => ({ failed: this.#understood(cause) }),
      );
      outcomes.push(outcome);
      before += item.body.size;
    }
    return outcomes;
  }

  async #finalize(
    items: readonly FinalizeRequest[],
    signal: AbortSignal,
  ): Promise<readonly FinalizeOutcome[]> {
    const outcomes = await this.#byOwner(items, (owner, own) => owner.finalize(own, signal));
    // Of an earlier page: its way then may have been the other one.
    const missing = items.filter((item, at) => {
      const outcome = outcomes[at];
      const isMissing = outcome?.status === 'failed' && outcome.error.action === 'conflict';
      return isMissing && !this.#owners.has(item.assetId);
    });
    if (missing.length === 0) return outcomes;
    const others = await this.#other().finalize(missing, signal);
    return outcomes.map((outcome, at) => {
      const found = others[missing.indexOf(items[at] as FinalizeRequest)];
      return found?.status === 'finalized' ? found : outcome;
    });
  }

  async #head(items: readonly FinalizeRequest[], signal: AbortSignal): Promise<readonly boolean[]> {
    return this.#byOwner(items, async (owner, own) => {
      return owner.head ? owner.head(own, signal) : own.map(() => false);
    });
  }

  /** Nothing is known of who granted it: whichever of the two knows more. */
  async #reconcile(
    files: Parameters<NonNullable<UploadAdapter['reconcile']>>[0],
    signal: AbortSignal,
  ): ReturnType<NonNullable<UploadAdapter['reconcile']>> {
    const [first, second] = [this.#current, this.#other()];
    const unknown = files.map(() => ({ kind: 'unknown' }) as const);
    const known = (await first.reconcile?.(files, signal)) ?? unknown;
    if (!second.reconcile || known.every(({ kind }) => kind !== 'unknown')) return known;
    const more = await second.reconcile(files, signal);
    return known.map((result, at) => {
      const found = result.kind === 'unknown' ? (more[at] ?? result) : result;
      if (found !== result && found.kind === 'uploaded') this.#owners.set(found.assetId, second);
      return found;
    });
  }

  async #byOwner<T>(
    items: readonly FinalizeRequest[],
    ask: (owner: UploadAdapter, own: readonly FinalizeRequest[]) => Promise<readonly T[]>,
  ): Promise<T[]> {
    const answers = new Map<FinalizeRequest, T>();
    for (const owner of [this.#direct, this.#legacy]) {
      const own = items.filter(({ assetId }) => this.#ownerOf(assetId) === owner);
      if (own.length === 0) continue;
      const given = await ask(owner, own);
      for (const [at, item] of own.entries()) {
        const answer = given[at];
        if (answer === undefined) {
          throw new UploadError('unexpected_response', `${owner.name} left an upload out.`);
        }
        answers.set(item, answer);
      }
    }
    return items.flatMap((item) => answers.get(item) ?? []);
  }

  #other(): UploadAdapter {
    return this.#current === this.#direct ? this.#legacy : this.#direct;
  }

  #understood(cause: unknown): UploadError {
    if (cause instanceof UploadError) return cause;
    const known = this.#direct.classify?.(cause) ?? this.#legacy.classify?.(cause);
    return known ?? new UploadError('unexpected', String(cause), { cause });
  }

  #isUnsupported(error: UploadError): boolean {
    if (this.#hasStored) return false;
    return error.code === 'store_blocked' || UNSUPPORTED.includes(error.status ?? 0);
  }

  /** No PUT ever came through, and yet the store is there: CORS rules, an extension, a proxy. */
  async #isBlocked(
    error: UploadError,
    credential: Parameters<NonNullable<UploadAdapter['isStoreReachable']>>[0],
  ): Promise<boolean> {
    if (error.code === 'store_blocked') return !this.#hasStored;
    if (error.code !== 'network_failed' || this.#hasStored) return false;
    this.#failures += 1;
    if (this.#failures < FAILURES_TO_ASK || !this.#direct.isStoreReachable) return false;
    return (await this.#direct.isStoreReachable(credential)) && !this.#hasStored;
  }

  #fallBack(reason: RolloutFallback['reason'], error: UploadError): void {
    if (this.#current === this.#legacy) return;
    this.#current = this.#legacy;
    this.#onFallback({ reason, error });
  }

  /** The credential is of the way that does not work: another one is asked for, of the legacy way. */
  #reissue(): UploadError {
    const message = 'The direct way does not work on this page: the file goes by the legacy way.';
    return new UploadError('url_expired', message);
  }
}

/** What holds whichever of the two an upload goes by. */
function common({ capabilities: a }: UploadAdapter, { capabilities: b }: UploadAdapter) {
  return {
    get maxConcurrency() {
      return Math.min(a.maxConcurrency, b.maxConcurrency);
    },
    get maxBatchFiles() {
      return Math.min(a.maxBatchFiles, b.maxBatchFiles);
    },
    get createOnly() {
      return a.createOnly === true && b.createOnly === true;
    },
    get checksum() {
      return a.checksum === 'sha256' && b.checksum === 'sha256' ? 'sha256' : 'none';
    },
    get verifiesAtFinalize() {
      return a.verifiesAtFinalize === true && b.verifiesAtFinalize === true;
    },
    get multipart() {
      return a.multipart === true;
    },
    // It may become known by the first credentials.
    get pack() {
      return a.pack;
    },
  } satisfies AdapterCapabilities;
}
