import { toFileError } from '../errors/file-error.ts';
import { UploadError } from '../errors/upload-error.ts';
import type { SignedPart } from '../protocol/index.ts';
import type { Runtime } from '../runtime/runtime.ts';

/** Parts signed in one call, when their bytes need not be read for it. */
const SIGNED_AT_ONCE = 20;
/** A permit is not used in its last seconds, nor is one that lives shortly refused for that. */
const EXPIRY_MARGIN_MS = 10_000;
const MARGIN_SHARE = 0.5;

/** What the caller's `sign` is told of a part. */
export interface PartToSign {
  /** From 1. */
  readonly partNumber: number;
  readonly sizeBytes: number;
  /** SHA-256, 64 lower-case hex digits, where the caller wants it. */
  readonly checksum?: string;
}

export type SignParts = (
  parts: readonly PartToSign[],
  signal: AbortSignal,
) => Promise<readonly SignedPart[]>;

export interface Permit {
  readonly part: PartToSign;
  readonly signed: SignedPart;
}

export interface PermitOptions {
  /** Parts still to be sent, in their order. */
  readonly partNumbers: readonly number[];
  readonly partOf: (partNumber: number) => Blob;
  readonly hasChecksums: boolean;
  readonly sign: SignParts;
  /** Parts that will be under way at once. */
  readonly concurrency: number;
  readonly signal: AbortSignal;
  readonly runtime: Runtime;
}

/** Permits of one file's parts: signed a few at a time, ahead of their use, and anew once they expired. */
export class PartPermits {
  readonly #options: PermitOptions;
  readonly #unsigned: number[];
  readonly #ready: { readonly permit: Permit; readonly usableUntilMs: number }[] = [];
  #signing: Promise<void> | undefined;

  constructor(options: PermitOptions) {
    this.#options = options;
    this.#unsigned = [...options.partNumbers];
  }

  /** The next part and its permit; undefined when there is none left. */
  async next(): Promise<Permit | undefined> {
    while (true) {
      const taken = this.#ready.shift();
      if (!taken) {
        if (this.#unsigned.length === 0 && !this.#signing) return undefined;
        await this.#signMore();
        continue;
      }
      if (this.#ready.length < this.#options.concurrency) this.#signAhead();
      if (taken.usableUntilMs > this.#options.runtime.now()) return taken.permit;
      return this.renew(taken.permit);
    }
  }

  /** The same part with another permit. */
  async renew({ part }: Permit): Promise<Permit> {
    const [permit] = await this.#sign([part]);
    if (!permit) throw new UploadError('unexpected_response', 'No part was signed.');
    return permit;
  }

  #signAhead(): void {
    if (this.#unsigned.length === 0 || this.#signing) return;
    // Whoever asks for the next permit finds the failure and tries again.
    this.#signMore().catch(() => {});
  }

  #signMore(): Promise<void> {
    this.#signing ??= this.#signBatch().finally(() => {
      this.#signing = undefined;
    });
    return this.#signing;
  }

  async #signBatch(): Promise<void> {
    const { hasChecksums, concurrency, runtime } = this.#options;
    const batch = this.#unsigned.slice(0, hasChecksums ? concurrency : SIGNED_AT_ONCE);
    const parts: PartToSign[] = [];
    // One after the other: each is in memory while it is hashed.
    for (const partNumber of batch) parts.push(await this.#describe(partNumber));
    const askedMs = runtime.now();
    const permits = await this.#sign(parts);
    for (const permit of permits) {
      const { expiresInMs } = permit.signed;
      const margin = Math.min(EXPIRY_MARGIN_MS, expiresInMs * MARGIN_SHARE);
      this.#ready.push({ permit, usableUntilMs: askedMs + expiresInMs - margin });
    }
    this.#unsigned.splice(0, batch.length);
  }

  async #describe(partNumber: number): Promise<PartToSign> {
    const blob = this.#options.partOf(partNumber);
    const plain = { partNumber, sizeBytes: blob.size };
    return this.#options.hasChecksums ? { ...plain, checksum: await hashPart(blob) } : plain;
  }

  async #sign(parts: readonly PartToSign[]): Promise<Permit[]> {
    const signed = await this.#options.sign(parts, this.#options.signal);
    return parts.map((part, at) => {
      const permit = signed[at];
      if (permit?.partNumber !== part.partNumber) {
        const message = `Part ${part.partNumber} was not signed at its place.`;
        throw new UploadError('unexpected_response', message);
      }
      return { part, signed: permit };
    });
  }
}

/**
 * SHA-256 of a part, 64 lower-case hex digits.
 *
 * @throws UploadError `file_changed` or `file_unreadable`; `store_misconfigured` on a page without
 * `crypto.subtle`
 */
export async function hashPart(blob: Blob): Promise<string> {
  if (!globalThis.crypto?.subtle) {
    const message = 'Parts cannot be hashed on this page: it needs https, or localhost.';
    throw new UploadError('store_misconfigured', message);
  }
  const bytes = await blob.arrayBuffer().catch((cause: unknown) => {
    throw toFileError(cause) ?? cause;
  });
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
