import type { UploadAdapter } from '../../transports/adapter.ts';
import {
  checksumCases,
  createOnlyCases,
  everyCase,
  faultCases,
  headCases,
  onceCases,
  progressCases,
  verifyingCases,
} from './adapter-cases.ts';
import { type AdapterBackend, type AdapterCases, AdapterWorld } from './adapter-world.ts';
import type { ConformanceCase, TestRunner } from './conformance-case.ts';
import { ConformanceError, expectEqual, expectThat } from './expectations.ts';
import { resumeCases } from './resume-cases.ts';

/** What the adapter is said to do; the first case checks that it says the same of itself. */
export interface TestedCapabilities {
  /** Tells how much of a PUT was sent. Default true. */
  readonly progress?: boolean;
  /** As `capabilities` of the adapter. Default false. */
  readonly createOnly?: boolean;
  readonly checksum?: boolean;
  readonly verifiesAtFinalize?: boolean;
  readonly multipart?: boolean;
  /** It has the method `head`. Default false. */
  readonly head?: boolean;
  /** Large files go on where they stopped. Default: as `multipart`. */
  readonly resumes?: boolean;
  /** A file whose answer was lost, and that is sent again, leaves one stored file. Default true. */
  readonly storesOnce?: boolean;
}

export interface AdapterConformanceOptions {
  /** Makes an adapter as a page that was just loaded does. */
  readonly create: () => UploadAdapter;
  /** Made once, before the first case. */
  readonly backend: () => Promise<AdapterBackend>;
  readonly capabilities?: TestedCapabilities;
  /** Of files that are interrupted: large enough for several parts. Default 24 MiB. */
  readonly largeBytes?: number;
}

const DEFAULT_LARGE_BYTES = 24 * 1024 * 1024;

/**
 * What the pipeline counts on in any adapter, as cases for any test runner, against its real backend or one
 * that is like it. They are to be run one after the other, in a browser.
 */
export function adapterConformance(options: AdapterConformanceOptions): ConformanceCase[] {
  const { create, capabilities = {}, largeBytes = DEFAULT_LARGE_BYTES } = options;
  const {
    progress = true,
    resumes = capabilities.multipart === true,
    storesOnce = true,
  } = capabilities;
  let backend: Promise<AdapterBackend> | undefined;
  const tables: AdapterCases[] = [
    { 'it has a name, limits, and the capabilities it is said to have': declared(capabilities) },
    everyCase,
    ...(progress ? [progressCases] : []),
    ...(capabilities.createOnly ? [createOnlyCases] : []),
    ...(capabilities.checksum ? [checksumCases] : []),
    ...(capabilities.head ? [headCases] : []),
    ...(capabilities.verifiesAtFinalize ? [verifyingCases] : []),
    faultCases,
    ...(storesOnce ? [onceCases] : []),
    ...(resumes ? [resumeCases(largeBytes)] : []),
  ];
  return tables.flatMap((table) =>
    Object.entries(table).map(([name, run]) => ({
      name,
      async run() {
        backend ??= options.backend();
        const own = await backend;
        await own.reset();
        await run(new AdapterWorld(create, own)).catch(asConformanceError);
      },
    })),
  );
}

function declared(said: TestedCapabilities) {
  return async ({ adapter, backend }: AdapterWorld) => {
    const { capabilities, head, putPack, abort } = adapter;
    const { maxConcurrency, maxBatchFiles, pack } = capabilities;
    expectEqual(adapter.name !== '', true, 'It has a name');
    expectEqual([maxConcurrency >= 1, maxBatchFiles >= 1], [true, true], 'Its limits');
    const has = {
      createOnly: capabilities.createOnly === true,
      checksum: capabilities.checksum === 'sha256',
      verifiesAtFinalize: capabilities.verifiesAtFinalize === true,
      multipart: capabilities.multipart === true,
      head: head !== undefined,
    };
    const { createOnly = false, checksum = false, verifiesAtFinalize = false } = said;
    const { multipart = false } = said;
    const wanted = {
      createOnly,
      checksum,
      verifiesAtFinalize,
      multipart,
      head: said.head === true,
    };
    expectEqual(has, wanted, 'What it says of itself');
    expectThat(pack === undefined || putPack !== undefined, 'Packs need putPack');
    expectThat(!multipart || abort !== undefined, 'Parts need abort, which cleans up');
    expectThat(backend.faults !== undefined, 'The backend can be disturbed');
  };
}

/** What an adapter threw where it should not have, as the finding it is. */
function asConformanceError(error: unknown): never {
  if (error instanceof ConformanceError) throw error;
  throw new ConformanceError(`The adapter failed: ${String(error)}`, { cause: error });
}

/** Runs {@link adapterConformance} as one group of tests. */
export function describeUploadAdapter(
  name: string,
  options: AdapterConformanceOptions,
  { describe, it }: TestRunner,
): void {
  describe(`the adapter ${name}`, () => {
    for (const { name: sentence, run } of adapterConformance(options)) it(sentence, run);
  });
}
