import type { Credential, FinalizedAsset } from '../../protocol/index.ts';
import type {
  CredentialRequest,
  PutOutcome,
  PutRequest,
  UploadAdapter,
} from '../../transports/adapter.ts';
import { expectThat } from './expectations.ts';
import { type FileShape, makeTestFile, type TestFile } from './test-file.ts';

/** An upload, as far as it came. */
export interface UploadUnderTest {
  readonly request: CredentialRequest;
  readonly credential: Credential;
  /** What finalize (or the PUT) made of it. */
  readonly asset?: FinalizedAsset;
}

/**
 * The other side of an adapter, as its tests see and disturb it. What is left out is not tested: the suite
 * says so in the names of its cases.
 */
export interface AdapterBackend {
  /** The whole file that is stored of an upload; undefined: none. */
  readStored(
    upload: UploadUnderTest,
  ): Promise<{ readonly sizeBytes: number; readonly checksum: string } | undefined>;
  /** Files that are stored, of whatever upload. */
  countStored?(): Promise<number>;
  /** Uploads that were begun, and are neither complete nor cleaned up. */
  countUnfinished?(): Promise<number>;
  /** Bytes of all bodies that arrived since the last call of `reset`. */
  countReceivedBytes?(): Promise<number>;
  readonly faults?: BackendFaults;
  /** Before each case: no faults, and counts from 0. */
  reset(): Promise<void>;
}

/** What happens to requests that carry bytes of files. */
export interface BackendFaults {
  /** The next one is taken, and its answer is lost. */
  loseAnswer(): Promise<void>;
  /** The next one breaks after so many bytes. */
  breakAfter(bytes: number): Promise<void>;
  /** Each is slow, until the next reset. */
  slowDown(bytesPerSecond: number): Promise<void>;
}

/** How often a case tries what may fail for a while. */
const MAX_TRIES = 6;

export class AdapterWorld {
  readonly backend: AdapterBackend;
  readonly #create: () => UploadAdapter;
  adapter: UploadAdapter;

  constructor(create: () => UploadAdapter, backend: AdapterBackend) {
    this.#create = create;
    this.adapter = create();
    this.backend = backend;
  }

  /** What a reload leaves: another adapter, which knows nothing but what was kept for it. */
  reload(): void {
    this.adapter = this.#create();
  }

  file(shape: FileShape = {}): Promise<TestFile> {
    return makeTestFile(shape);
  }

  async grant({ request }: TestFile): Promise<Credential> {
    const [result] = await this.adapter.credentials([request], new AbortController().signal);
    expectThat(result?.status === 'granted', `A new file gets a credential, got ${result?.status}`);
    return result.credential;
  }

  put(credential: Credential, { request, body }: TestFile) {
    const controller = new AbortController();
    const progress: number[] = [];
    const onProgress = (sentBytes: number) => void progress.push(sentBytes);
    const { signal } = controller;
    const put: PutRequest = { upload: request, credential, body, signal, onProgress };
    const outcome = this.adapter.put(put);
    // Whoever looks later must not find it unhandled.
    outcome.catch(() => {});
    return { outcome, progress, controller };
  }

  finalize(...uploads: readonly UploadUnderTest[]) {
    const items = uploads.map(({ request, credential }) => {
      return { ...request, assetId: credential.assetId };
    });
    return this.adapter.finalize(items, new AbortController().signal);
  }

  head(...uploads: readonly UploadUnderTest[]) {
    const items = uploads.map(({ request, credential }) => {
      return { ...request, assetId: credential.assetId };
    });
    return this.adapter.head?.(items, new AbortController().signal);
  }

  /** To the end, as the pipeline does it: what failed for a while is tried again, what is unknown asked about. */
  async upload(file: TestFile): Promise<Required<UploadUnderTest>> {
    const { request } = file;
    let credential = await this.grant(file);
    const seen: string[] = [];
    for (let attempt = 1; attempt <= MAX_TRIES; attempt += 1) {
      const outcome = await this.put(credential, file).outcome.catch(asFailure);
      seen.push(typeof outcome === 'string' ? outcome : Object.keys(outcome).join());
      if (typeof outcome === 'object' && 'finalized' in outcome) {
        return { request, credential, asset: outcome.finalized };
      }
      if (typeof outcome === 'object') {
        const { action, code } = outcome.failed;
        seen.push(code);
        expectThat(action !== 'permanent' && action !== 'halt', `The PUT is given up: ${code}`);
        if (action === 'refresh') credential = await this.grant(file);
        if (action !== 'exists') continue;
      }
      const isSure = outcome !== 'lost' || this.adapter.capabilities.verifiesAtFinalize === true;
      if (!isSure && !(await this.head({ request, credential }))?.[0]) continue;
      const [finalized] = await this.finalize({ request, credential });
      if (finalized?.status === 'finalized') return { request, credential, asset: finalized.asset };
      seen.push(finalized?.error.code ?? 'no answer');
      expectThat(finalized?.error.isRetryable === true, `Finalize gives up: ${seen.join(', ')}`);
    }
    throw new Error(`It was not stored in ${MAX_TRIES} tries: ${seen.join(', ')}`);
  }
}

interface Failed {
  readonly failed: { readonly action: string; readonly code: string };
}

function asFailure(error: unknown): Exclude<PutOutcome, { finalized: unknown }> | Failed {
  const isOurs = error instanceof Error && error.name === 'UploadError' && 'action' in error;
  if (!isOurs) throw error;
  return { failed: error as unknown as Failed['failed'] };
}

/** A case before its world is made. */
export type AdapterCases = Readonly<Record<string, (world: AdapterWorld) => Promise<void>>>;
