import type { FaultServerClient } from '../commands.ts';
import { connectFaultServer, FaultServerError } from '../fault-server-client.ts';
import { answerCases } from './answer-cases.ts';
import { type AdapterUnderTest, type CaseTable, World } from './bulkhead-world.ts';
import type { ConformanceCase, TestRunner } from './conformance-case.ts';
import { credentialCases } from './credential-cases.ts';
import { ConformanceError, expectEqual } from './expectations.ts';
import { finalizeCases } from './finalize-cases.ts';
import { progressCases, putCases, stallCases } from './put-cases.ts';
import { reconcileCases } from './reconcile-cases.ts';
import { changesCases, retryCases, watchCases } from './watch-cases.ts';

export type { AdapterUnderTest } from './bulkhead-world.ts';

export interface BulkheadConformanceOptions {
  /** `url` of a fault server. The suite gets one of its own from it. */
  readonly serverUrl: string;
  readonly create: AdapterUnderTest;
  /** What the adapter can do; each is true unless said otherwise. A case checks that it is so. */
  readonly capabilities?: {
    /** Tells how much of a PUT was sent. */
    readonly progress?: boolean;
    /** Ends PUTs that do not move, by the timers of its runtime. */
    readonly stalls?: boolean;
    /** Tells what became of uploads whose page went away. */
    readonly reconcile?: boolean;
    readonly watch?: boolean;
    readonly assetChanges?: boolean;
    readonly retryProcessing?: boolean;
  };
}

const OPTIONAL_METHODS = ['reconcile', 'watch', 'assetChanges', 'retryProcessing'] as const;

/**
 * What the pipeline counts on in an adapter that speaks the Bulkhead wire, as cases for any test runner. They
 * are to be run one after the other: each resets the server.
 */
export function bulkheadConformance(options: BulkheadConformanceOptions): ConformanceCase[] {
  const { serverUrl, create, capabilities = {} } = options;
  const can = (name: keyof typeof capabilities) => capabilities[name] !== false;
  const declared: CaseTable = {
    'the adapter has a name, limits, and exactly the methods it declares': async ({ adapter }) => {
      expectEqual(adapter.name !== '', true, 'It has a name');
      const { maxConcurrency, maxBatchFiles } = adapter.capabilities;
      expectEqual([maxConcurrency >= 1, maxBatchFiles >= 1], [true, true], 'Its limits');
      for (const name of OPTIONAL_METHODS) {
        expectEqual(adapter[name] !== undefined, can(name), `It has ${name}`);
      }
    },
  };
  const tables: CaseTable[] = [
    declared,
    credentialCases,
    putCases,
    ...(can('progress') ? [progressCases] : []),
    ...(can('stalls') ? [stallCases] : []),
    finalizeCases,
    ...(can('reconcile') ? [reconcileCases] : []),
    ...(can('watch') ? [watchCases] : []),
    ...(can('assetChanges') ? [changesCases] : []),
    ...(can('retryProcessing') ? [retryCases] : []),
    answerCases,
  ];

  let server: Promise<FaultServerClient> | undefined;
  return tables.flatMap((table) =>
    Object.entries(table).map(([name, run]) => ({
      name,
      async run() {
        server ??= connectFaultServer(serverUrl).then((parent) => parent.spawn());
        const own = await server;
        await own.reset();
        await run(new World(own, create)).catch(asConformanceError);
      },
    })),
  );
}

/** What an adapter threw where it should not have, as the finding it is. */
function asConformanceError(error: unknown): never {
  if (error instanceof ConformanceError || error instanceof FaultServerError) throw error;
  throw new ConformanceError(`The adapter failed: ${String(error)}`, { cause: error });
}

/** Runs {@link bulkheadConformance} as one group of tests. */
export function describeBulkheadAdapter(
  name: string,
  options: BulkheadConformanceOptions,
  { describe, it }: TestRunner,
): void {
  describe(`the adapter ${name}`, () => {
    for (const { name: sentence, run } of bulkheadConformance(options)) it(sentence, run);
  });
}
