import { toFileError } from '../errors/file-error.ts';
import { UploadError } from '../errors/upload-error.ts';
import type { SignedPart } from '../protocol/index.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { toHex } from './hex.ts';
import { within } from './within.ts';

/** Parts signed in one call, when their bytes need not be read for it. */
const SIGNED_AT_ONCE = 20;
/** A permit is not used in its last seconds, nor is one that lives shortly refused for that. */
const EXPIRY_MARGIN_MS = 10_000;
const MARGIN_SHARE = 0.5;

/** How long the read of a part may take at least, and the slowest drive that is waited for: 1 MB/s. */
const READ_STALL_MS = 30_000;
const SLOWEST_READ_BYTES_PER_MS = 1_000;

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
  /** By the monotonic clock; some seconds before it expires. */
  readonly usableUntilMs: number;
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
  readonly #ready: Permit[] = [];
  #signing: Promise<void> | undefined;

  constructor(options: PermitOptions) {
    this.#options = options;
    this.#unsigned = [...options.partNumbers];
  }

  /** The next part and its permit, which may have expired by the time it is used; undefined at the end. */
  async next(): Promise<Permit | undefined> {
    while (true) {
      const taken = this.#ready.shift();
      if (!taken) {
        if (this.#unsigned.length === 0 && !this.#signing) return undefined;
        await this.#signMore();
        continue;
      }
      if (this.#ready.length < this.#options.concurrency) this.#signAhead();
      return taken;
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
    const { hasChecksums, concurrency } = this.#options;
    const batch = this.#unsigned.slice(0, hasChecksums ? concurrency : SIGNED_AT_ONCE);
    const parts: PartToSign[] = [];
    // One after the other: each is in memory while it is hashed.
    for (const partNumber of batch) parts.push(await this.#describe(partNumber));
    this.#ready.push(...(await this.#sign(parts)));
    this.#unsigned.splice(0, batch.length);
  }

  async #describe(partNumber: number): Promise<PartToSign> {
    const blob = this.#options.partOf(partNumber);
    const plain = { partNumber, sizeBytes: blob.size };
    return this.#options.hasChecksums
      ? { ...plain, checksum: await hashPart(blob, this.#options) }
      : plain;
  }

  async #sign(parts: readonly PartToSign[]): Promise<Permit[]> {
    const askedMs = this.#options.runtime.now();
    const signed = await this.#options.sign(parts, this.#options.signal);
    return parts.map((part, at) => {
      const permit = signed[at];
      if (permit?.partNumber !== part.partNumber) {
        const message = `Part ${part.partNumber} was not signed at its place.`;
        throw new UploadError('unexpected_response', message);
      }
      const { expiresInMs } = permit;
      const margin = Math.min(EXPIRY_MARGIN_MS, expiresInMs * MARGIN_SHARE);
      return { part, signed: permit, usableUntilMs: askedMs + expiresInMs - margin };
    });
  }
}

/**
 * SHA-256 of a part, 64 lower-case hex digits.
 *
 * @throws UploadError `file_changed` or `file_unreadable`; `stalled` when the read hangs; `cancelled`;
 * `store_misconfigured` on a page without `crypto.subtle`
 */
export async function hashPart(
  blob: Blob,
  context: { readonly signal: AbortSignal; readonly runtime: Runtime },
): Promise<string> {
  if (!globalThis.crypto?.subtle) {
    const message = 'Parts cannot be hashed on this page: it needs https, or localhost.';
    throw new UploadError('store_misconfigured', message);
  }
  const limitMs = READ_STALL_MS + blob.size / SLOWEST_READ_BYTES_PER_MS;
  const reading = blob.arrayBuffer().catch((cause: unknown) => {
    throw toFileError(cause) ?? cause;
  });
  const bytes = await within(reading, limitMs, context);
  return toHex(await crypto.subtle.digest('SHA-256', bytes));
}
