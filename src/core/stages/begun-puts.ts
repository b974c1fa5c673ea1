import type { Credential } from '../../protocol/index.ts';
import type { StageContext } from './stage.ts';

/**
 * What a store may hold of uploads that are not stored: the credential of each one's last PUT, from its
 * begin until it is known to be stored, or thrown away.
 */
export class BegunPuts {
  readonly #context: Pick<StageContext, 'adapter' | 'runtime'>;
  readonly #begun = new Map<string, Credential>();

  constructor(context: Pick<StageContext, 'adapter' | 'runtime'>) {
    this.#context = context;
  }

  began(id: string, credential: Credential): void {
    const before = this.#begun.get(id);
    // It goes to another place now: nobody comes back to what lies at the first one.
    if (before && !isSamePlace(before, credential)) this.discard(id);
    this.#begun.set(id, credential);
  }

  /** There is nothing to throw away: it is stored, or somebody else's now. */
  forget(id: string): void {
    this.#begun.delete(id);
  }

  /** Its bytes are another asset's: what was sent of it is of no use, unless that is the one it was sent for. */
  replaced(id: string, assetId: string): void {
    if (this.#begun.get(id)?.assetId === assetId) this.forget(id);
    else this.discard(id);
  }

  /** Nobody wants it any more: the backend may forget what it has of it. */
  discard(id: string): void {
    const credential = this.#begun.get(id);
    this.#begun.delete(id);
    if (credential) void this.#abort(credential);
  }

  async #abort(credential: Credential): Promise<void> {
    const { adapter, runtime } = this.#context;
    try {
      await adapter.abort?.(credential);
    } catch (error) {
      runtime.reportError(error);
    }
  }
}

/** Adapters know what they began by either of them. */
const isSamePlace = (a: Credential, b: Credential) =>
  a.pathname === b.pathname || a.assetId === b.assetId;
