import type { AssetChange, Credential, Stats } from '../../protocol/index.ts';
import { type Runtime, systemRuntime } from '../../runtime/runtime.ts';
import type { CredentialResult, PutOutcome, UploadAdapter } from '../../transports/adapter.ts';
import type { FaultServerClient } from '../commands.ts';
import { expectThat } from './expectations.ts';
import { type FileShape, makeTestFile, type TestFile } from './test-file.ts';

export type { TestFile } from './test-file.ts';

/** Timers of so many seconds run in one. */
const HURRY = 30;

/** How a suite makes the adapter that it tests. */
export type AdapterUnderTest = (world: {
  /** Where the Bulkhead wire is spoken: a base URL without a trailing slash. */
  readonly url: string;
  /** Its timers may run thirty times as fast: whatever waits must wait by them. */
  readonly runtime: Runtime;
}) => UploadAdapter;

/** One case's surroundings: an adapter, and the server it speaks to, just reset. */
export class World {
  readonly server: FaultServerClient;
  readonly adapter: UploadAdapter;
  /** The same with hurried timers. */
  readonly hurried: UploadAdapter;

  constructor(server: FaultServerClient, create: AdapterUnderTest) {
    this.server = server;
    this.adapter = create({ url: server.url, runtime: systemRuntime() });
    const hurried: Runtime = {
      ...systemRuntime(),
      setTimer: (callback, delayMs) => setTimeout(callback, delayMs / HURRY),
    };
    this.hurried = create({ url: server.url, runtime: hurried });
  }

  /** A file with bytes that no other file has. */
  file(shape: FileShape = {}): Promise<TestFile> {
    return makeTestFile(shape);
  }

  files(count: number): Promise<TestFile[]> {
    const names = Array.from({ length: count }, (_, at) => `photo-${at}.jpg`);
    return Promise.all(names.map((name) => this.file({ name })));
  }

  ask(...files: readonly TestFile[]): Promise<readonly CredentialResult[]> {
    const requests = files.map(({ request }) => request);
    return this.adapter.credentials(requests, new AbortController().signal);
  }

  async grant(file: TestFile): Promise<Credential> {
    const [result] = await this.ask(file);
    expectThat(result?.status === 'granted', 'A new file gets a credential');
    return result.credential;
  }

  put(credential: Credential, { request, body }: TestFile, adapter = this.adapter) {
    const controller = new AbortController();
    const progress: number[] = [];
    const { signal } = controller;
    const onProgress = (sentBytes: number) => void progress.push(sentBytes);
    const outcome = adapter.put({ upload: request, credential, body, signal, onProgress });
    // Whoever looks later must not find it unhandled.
    outcome.catch(() => {});
    return { outcome, progress, controller };
  }

  /** Credential and PUT. */
  async store(file: TestFile): Promise<Credential> {
    const credential = await this.grant(file);
    const outcome: PutOutcome = await this.put(credential, file).outcome;
    expectThat(outcome === 'stored', 'A PUT that nothing disturbs is stored');
    return credential;
  }

  finalize(...uploads: readonly { credential: Credential; file: TestFile }[]) {
    const items = uploads.map(({ credential, file }) => {
      return { ...file.request, assetId: credential.assetId };
    });
    return this.adapter.finalize(items, new AbortController().signal);
  }

  /** All of it, up to the asset. */
  async upload(file: TestFile): Promise<string> {
    const credential = await this.store(file);
    const [outcome] = await this.finalize({ credential, file });
    expectThat(outcome?.status === 'finalized', 'A stored file is finalized');
    return outcome.asset.id;
  }

  /** Follows the changes; `stop` ends it. */
  watch() {
    const changes: AssetChange[] = [];
    const stats: Stats[] = [];
    const connections: string[] = [];
    const stop = this.adapter.watch?.({
      onConnected: (how) => void connections.push(how),
      onDisconnected: () => void connections.push('lost'),
      onStats: (counts) => void stats.push(counts),
      onChanges: (news) => void changes.push(...news),
    });
    expectThat(stop !== undefined, 'The adapter can watch');
    return { changes, stats, connections, stop };
  }

  async puts() {
    return (await this.server.state()).requests.filter(({ route }) => route === 'put');
  }
}

/** A case before its world is made. */
export type CaseTable = Readonly<Record<string, (world: World) => Promise<void>>>;
