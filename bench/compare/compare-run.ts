import path from 'node:path';
import { filesOf } from '../support/files-on-disk.ts';
import { median } from '../support/median.ts';
import { CLIENTS, type Client, type ClientName, type Variant } from './clients.ts';
import { COMPARE_SETS, type CompareSet } from './compare-sets.ts';
import { NeutralServer } from './neutral-server.ts';
import { type Outcome, runOnce } from './one-run.ts';
import type { CompareOptions, Protocol } from './options.ts';
import { PACK_LIMITS } from './server/bulkhead-routes.ts';
import type { PageFiles } from './server/messages.ts';

/** One client, one configuration, one round. */
export interface Run {
  readonly client: ClientName;
  readonly variant: string;
  /** From 1. */
  readonly round: number;
  readonly outcome: Outcome;
}

/** Everything that was measured with one set of files. */
export interface SetRuns {
  readonly set: Pick<CompareSet, 'name' | 'title' | 'count' | 'sizeBytes' | 'delayMs'>;
  /** ISO 8601 */
  readonly startedAt: string;
  readonly rounds: number;
  readonly libraryRounds: number;
  readonly runs: readonly Run[];
}

export interface ProtocolRuns {
  readonly sets: readonly SetRuns[];
  readonly chromium: string;
}

/** Measures every set by one protocol; the clients take turns, so that noise meets all. */
export async function runProtocol(
  protocol: Protocol,
  page: PageFiles,
  options: CompareOptions,
  onStep: (step: string) => void,
): Promise<ProtocolRuns> {
  const { profileDir } = options;
  const server = await NeutralServer.start({ protocol, page, profileDir });
  try {
    const sets: SetRuns[] = [];
    let chromium = 'unknown';
    for (const set of COMPARE_SETS.filter(({ name }) => options.sets.includes(name))) {
      const run = await prepare(server, set, options, (version) => {
        chromium = version;
      });
      sets.push(await runSet(set, run, options, (step) => onStep(`${protocol}, ${step}`)));
    }
    return { sets, chromium };
  } finally {
    await server.stop();
  }
}

type RunVariant = (client: ClientName, variant: Variant) => Promise<Outcome>;

async function prepare(
  server: NeutralServer,
  set: CompareSet,
  { files, limitMs, profileDir }: CompareOptions,
  onVersion: (chromium: string) => void,
): Promise<RunVariant> {
  const { sizeBytes, delayMs } = set;
  const { paths } = await filesOf(set);
  return async (client, variant) => {
    const { outcome, chromium } = await runOnce(variant, {
      ...{ server, sizeBytes, delayMs, limitMs },
      paths: paths.slice(0, files),
      profileFile: profileDir && path.join(profileDir, `${set.name}-${client}.cpuprofile`),
    });
    onVersion(chromium);
    return outcome;
  };
}

async function runSet(
  set: CompareSet,
  run: RunVariant,
  options: CompareOptions,
  onStep: (step: string) => void,
): Promise<SetRuns> {
  const { rounds, libraryRounds } = options;
  const startedAt = new Date().toISOString();
  // Packs and forms are for small files.
  const isPackable = set.sizeBytes <= PACK_LIMITS.maxFileBytes;
  const clients = CLIENTS.filter(
    ({ name }) =>
      options.clients.includes(name) && ((name !== 'packs' && name !== 'forms') || isPackable),
  );
  const runs: Run[] = [];
  await warmUp(clients, run, () => onStep(`${set.name}: warming up`));
  for (let round = 1; round <= rounds; round += 1) {
    for (const client of turnsOf(clients, round, libraryRounds)) {
      for (const variant of variantsOf(client, runs)) {
        const outcome = await run(client.name, variant);
        runs.push({ client: client.name, variant: variant.title, round, outcome });
        onStep(
          `${set.name}, round ${round} of ${rounds}: ${client.title}, ${variant.title}: ${tell(outcome)}`,
        );
      }
    }
  }
  const { name, title, sizeBytes, delayMs } = set;
  const count = Math.min(set.count, options.files ?? set.count);
  return {
    set: {
      name,
      title: count === set.count ? title : `${count} of ${title}`,
      count,
      sizeBytes,
      delayMs,
    },
    ...{ startedAt, rounds, libraryRounds: Math.min(rounds, libraryRounds), runs },
  };
}

/** Code of the server and files in memory: for all the same. What it takes does not count. */
async function warmUp(clients: readonly Client[], run: RunVariant, onStep: () => void) {
  const [first] = clients.toSorted((a, b) => warmth(a) - warmth(b));
  if (!first) return;
  onStep();
  await run(first.name, first.variants[0]);
}

const warmth = ({ name, isLibrary }: Client) => (name === 'loop-batch' ? 0 : isLibrary ? 2 : 1);

/** Another one begins each round; libraries come last, and not in every round. */
function turnsOf(clients: readonly Client[], round: number, libraryRounds: number): Client[] {
  const quick = clients.filter(({ isLibrary }) => !isLibrary);
  const first = quick.length === 0 ? 0 : (round - 1) % quick.length;
  const libraries = round <= libraryRounds ? clients.filter(({ isLibrary }) => isLibrary) : [];
  return [...quick.slice(first), ...quick.slice(0, first), ...libraries];
}

/** All in the first round, then the one that was quickest. Golden Retriever goes with the quickest of S3. */
function variantsOf({ name, variants }: Client, runs: readonly Run[]): readonly Variant[] {
  const known = quickestVariant(name === 'uppy-golden' ? 'uppy-s3' : name, runs);
  const chosen = variants.filter(({ title }) => title === known);
  return chosen.length > 0 ? chosen : variants;
}

/** The configuration that took the least time; undefined when none has finished. */
export function quickestVariant(client: ClientName, runs: readonly Run[]): string | undefined {
  const times = new Map<string, number[]>();
  for (const { client: name, variant, outcome } of runs) {
    if (name !== client || outcome.status !== 'finished') continue;
    times.set(variant, [...(times.get(variant) ?? []), outcome.totalMs]);
  }
  const [quickest] = [...times].toSorted(([, a], [, b]) => median(a) - median(b));
  return quickest?.[0];
}

function tell(outcome: Outcome): string {
  switch (outcome.status) {
    case 'finished':
      return `${(outcome.totalMs / 1_000).toFixed(1)} s`;
    case 'unfinished':
      return `not finished in ${outcome.limitMs / 1_000} s`;
    case 'failed':
      return outcome.reason;
  }
}
