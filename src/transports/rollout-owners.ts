import * as z from 'zod/mini';
import type { Runtime } from '../runtime/runtime.ts';
import { createResumeTokens, type ResumeTokens } from './resume-tokens.ts';
import { tokenPlace } from './token-storage.ts';

/** The two ways of a rollout. */
export type Way = 'direct' | 'legacy';

interface Owned {
  /** The upload's. */
  readonly id: string;
  readonly assetId: string;
}

/**
 * Which way each upload goes. This page's are known by what they were granted. Of those whose bytes began to
 * leave the page it is kept beyond a reload, until they are finalized; the others are granted anew then.
 */
export class RolloutOwners {
  /** By the assets' ids. */
  readonly #granted = new Map<string, { readonly id: string; readonly way: Way }>();
  /** By the uploads' ids. */
  readonly #begun: ResumeTokens<Way>;

  /** @param name the two adapters' */
  constructor(name: string, runtime: Runtime) {
    const schema = z.enum(['direct', 'legacy']);
    const place = tokenPlace(`rollout:${name}`);
    this.#begun = createResumeTokens({ place, schema, runtime });
  }

  granted({ id, assetId }: Owned, way: Way): void {
    this.#granted.set(assetId, { id, way });
    // It goes another way than it began.
    if (this.begun(id)) this.begins(id, way);
  }

  /** Its bytes are about to leave the page. */
  begins(id: string, way: Way): void {
    if (this.#begun.get(id) !== way) this.#begun.set(id, way);
  }

  ofAsset(assetId: string): Way | undefined {
    return this.#granted.get(assetId)?.way;
  }

  /** @returns undefined for an upload of which nothing is known (any more) */
  of({ id, assetId }: Owned): Way | undefined {
    return this.ofAsset(assetId) ?? this.begun(id);
  }

  /** As an earlier page may have noted. */
  begun(id: string): Way | undefined {
    return this.#begun.get(id);
  }

  finalized({ id, assetId }: Owned): void {
    this.#granted.delete(assetId);
    this.#begun.remove(id);
  }

  givenUp(assetId: string): void {
    const granted = this.#granted.get(assetId);
    if (granted) this.finalized({ id: granted.id, assetId });
  }
}
