import type { Ledger } from './ledger.ts';
import { isStored, type Upload } from './upload-state.ts';

export interface EqualFilesParts {
  readonly ledger: Ledger;
  readonly isPaused: (id: string) => boolean;
  /** Sends this one. */
  readonly lead: (upload: Upload) => void;
  /** The library has its bytes, as this asset. */
  readonly becomeDuplicate: (id: string, assetId: string) => void;
}

/**
 * Sends equal bytes once: the first upload of a checksum leads, the others wait for its asset. When the
 * leader fails, is cancelled or paused, another one leads.
 */
export class EqualFiles {
  readonly #parts: EqualFilesParts;
  readonly #leaders = new Map<string, string>();
  /** The checksum that each leader leads. */
  readonly #led = new Map<string, string>();
  /** Ids by checksum. Some may have moved on since: whoever takes one looks at its row. */
  readonly #followers = new Map<string, string[]>();

  constructor(parts: EqualFilesParts) {
    this.#parts = parts;
  }

  /** Takes an upload that was just hashed. */
  hashed(upload: Upload): void {
    if (upload.status !== 'hashed') return;
    const { checksum } = upload;
    const leader = this.#leaderOf(checksum);
    if (!leader || leader.id === upload.id) {
      this.#lead(upload, checksum);
    } else if (isStored(leader.status) && 'assetId' in leader) {
      this.#parts.becomeDuplicate(upload.id, leader.assetId);
    } else {
      const followers = this.#followers.get(checksum);
      if (followers) followers.push(upload.id);
      else this.#followers.set(checksum, [upload.id]);
    }
  }

  /** This one goes on in any case: the store lost the bytes that others count on. */
  lead(upload: Upload): void {
    if (upload.status === 'hashed') this.#lead(upload, upload.checksum);
  }

  /** An earlier page sent its bytes, or had it acknowledged: others wait for it, or have its asset. */
  restored(upload: Upload): void {
    const isSent = upload.status === 'uploaded' || upload.status === 'put-unknown';
    if (!isSent && !(isStored(upload.status) && 'assetId' in upload)) return;
    const { checksum } = upload as Upload & { readonly checksum: string };
    const leader = this.#leaderOf(checksum);
    if (leader && (isStored(leader.status) || isSent)) return;
    this.#leaders.set(checksum, upload.id);
    if (isSent) this.#led.set(upload.id, checksum);
  }

  /** The server has it: so it has those that waited for it. */
  stored(upload: Upload): void {
    if (!('assetId' in upload)) return;
    const { checksum, assetId } = upload;
    const followers = this.#followers.get(checksum) ?? [];
    this.#followers.delete(checksum);
    for (const id of followers) {
      if (this.#waiting(id, checksum)) this.#parts.becomeDuplicate(id, assetId);
    }
  }

  /** This one does not go on, for now or for good: the next of its kind leads. */
  released(id: string): void {
    const checksum = this.#led.get(id);
    if (checksum === undefined) return;
    this.#led.delete(id);
    if (this.#leaders.get(checksum) === id) this.#leaders.delete(checksum);
    const followers = this.#followers.get(checksum) ?? [];
    const paused: string[] = [];
    for (let next = followers.pop(); next !== undefined; next = followers.pop()) {
      const upload = this.#waiting(next, checksum);
      if (upload && this.#parts.isPaused(next)) {
        paused.push(next);
      } else if (upload) {
        this.#lead(upload, checksum);
        break;
      }
    }
    followers.push(...paused);
    if (followers.length === 0) this.#followers.delete(checksum);
  }

  #lead(upload: Upload, checksum: string): void {
    this.#leaders.set(checksum, upload.id);
    this.#led.set(upload.id, checksum);
    this.#parts.lead(upload);
  }

  /** A leader that has other bytes by now, or none, or whose asset failed, leads no longer. */
  #leaderOf(checksum: string): Upload | undefined {
    const id = this.#leaders.get(checksum);
    const leader = id === undefined ? undefined : this.#parts.ledger.get(id);
    if (!leader || !('checksum' in leader) || leader.checksum !== checksum) return undefined;
    return leader.status === 'processing-failed' ? undefined : leader;
  }

  #waiting(id: string, checksum: string): Upload | undefined {
    const upload = this.#parts.ledger.get(id);
    return upload?.status === 'hashed' && upload.checksum === checksum ? upload : undefined;
  }
}
