import * as z from 'zod/mini';
import { toOptionError } from '../errors/option-error.ts';
import { UploadError } from '../errors/upload-error.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { SigningKeys } from './s3-signer.ts';

/** Renewed so long before they expire: a large PUT may begin late. */
const RENEWED_BEFORE_MS = 60_000;
/** Credentials that came so lately are not asked for again, whatever the page's clock says of them. */
const FRESH_MS = 30_000;

/** What your backend gives a page: keys that expire soon and may do little. */
export interface TemporaryCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** ISO 8601. */
  readonly expiresAt: string;
  /** ISO 8601: the backend's clock. With it, a page whose clock is wrong signs the right time. */
  readonly serverNow?: string;
}

const instantSchema = z
  .string()
  .check(z.refine((value) => !Number.isNaN(Date.parse(value)), 'expected an ISO 8601 instant'));
const credentialsSchema = z.object({
  accessKeyId: z.string().check(z.minLength(1)),
  secretAccessKey: z.string().check(z.minLength(1)),
  sessionToken: z.optional(z.string()),
  expiresAt: instantSchema,
  serverNow: z.optional(instantSchema),
});

interface Held {
  readonly keys: SigningKeys;
  readonly expiresEpochMs: number;
  readonly fetchedMs: number;
  /** What is added to the page's clock. */
  readonly skewMs: number;
}

/** The keys of this moment: asked for once for everybody, and again before they expire. */
export class KeyRing {
  readonly #fetch: () => Promise<TemporaryCredentials>;
  readonly #runtime: Runtime;
  #held: Held | undefined;
  #fetching: Promise<Held> | undefined;

  constructor(fetch: () => Promise<TemporaryCredentials>, runtime: Runtime) {
    this.#fetch = fetch;
    this.#runtime = runtime;
  }

  /** @throws UploadError `unexpected_response` when what came are no credentials */
  async current(): Promise<Held> {
    const held = this.#held;
    return held && this.#isUsable(held) ? held : this.#renewed();
  }

  /** The store refused these: others are fetched, unless somebody else did meanwhile. */
  async after(refused: Held): Promise<Held> {
    if (this.#held === refused) this.#held = undefined;
    return this.current();
  }

  #isUsable({ expiresEpochMs, fetchedMs, skewMs }: Held): boolean {
    const { now, epochNow } = this.#runtime;
    const leftMs = expiresEpochMs - (epochNow() + skewMs);
    return leftMs > RENEWED_BEFORE_MS || now() - fetchedMs < FRESH_MS;
  }

  #renewed(): Promise<Held> {
    this.#fetching ??= this.#read().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #read(): Promise<Held> {
    const parsed = credentialsSchema.safeParse(await this.#fetch());
    if (!parsed.success) {
      const { message } = toOptionError('credentials', parsed.error);
      throw new UploadError('unexpected_response', `These are no credentials: ${message}`);
    }
    const { accessKeyId, secretAccessKey, sessionToken, expiresAt, serverNow } = parsed.data;
    const { now, epochNow } = this.#runtime;
    this.#held = {
      keys: { accessKeyId, secretAccessKey, sessionToken },
      expiresEpochMs: Date.parse(expiresAt),
      fetchedMs: now(),
      skewMs: serverNow === undefined ? 0 : Date.parse(serverNow) - epochNow(),
    };
    return this.#held;
  }
}

export type HeldKeys = Awaited<ReturnType<KeyRing['current']>>;
