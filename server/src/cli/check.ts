import { type Embedder, EmbeddingError, toVector } from '../embeddings/embedder.ts';
import { sharp } from '../images/image-engine.ts';
import type { OpenKit } from './open-kit.ts';
import { operatorTokenOf } from './operator-token-of.ts';

export interface Finding {
  readonly what: string;
  /** Undefined: all is well. */
  readonly problem: string | undefined;
  readonly note?: string;
}

/** Models that were asleep take a minute to wake up. */
const EMBEDDER_TIMEOUT_MS = 120_000;

/** Looks at each part as it would be used. Nothing is changed but the database's schema. */
export async function checkKit(kit: OpenKit): Promise<Finding[]> {
  const { settings, config, database, store, embedding, limiters } = kit;
  const hasAuthorize =
    config.authorize !== undefined || settings.BULKHEAD_USER_HEADER !== undefined;
  const { engine, vectors } = database;
  const { ping } = limiters;
  return [
    {
      what: 'database',
      problem: undefined,
      note: `${engine.kind === 'pglite' ? 'embedded' : 'PostgreSQL'}, ${vectors.kind === 'pgvector' ? 'with pgvector' : 'without pgvector: vectors are compared in memory'}`,
    },
    {
      what: `store (${store.blobStore.name})`,
      problem: await failureOf(() => store.blobStore.ping()),
    },
    ...(ping ? [{ what: 'redis', problem: await failureOf(ping) }] : []),
    { what: 'embedder', ...(await tryEmbedder(embedding.embedder)) },
    {
      what: 'authorize',
      problem: hasAuthorize
        ? undefined
        : 'give it in bulkhead.config.ts, or set BULKHEAD_USER_HEADER',
    },
    {
      what: 'operator',
      problem: undefined,
      note: operatorTokenOf(kit)
        ? 'may see telemetry and /admin'
        : 'none: neither BULKHEAD_OPERATOR_TOKEN nor operatorToken of the configuration file is set',
    },
  ];
}

/** One picture, as a thumbnail comes: it must give the vector that was promised. A provider counts it as one request. */
async function tryEmbedder(embedder: Embedder): Promise<Omit<Finding, 'what'>> {
  const { model, dimensions } = embedder;
  const image = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#369' } })
    .webp()
    .toBuffer();
  const signal = AbortSignal.timeout(EMBEDDER_TIMEOUT_MS);
  try {
    toVector(await embedder.embed(image, signal), dimensions);
    return { problem: undefined, note: `${model}, ${dimensions} numbers` };
  } catch (error) {
    if (signal.aborted) {
      return { problem: `${model} did not answer within ${EMBEDDER_TIMEOUT_MS / 1000} s` };
    }
    // It is there, and takes the key: jobs wait as long as it asks.
    if (error instanceof EmbeddingError && error.kind === 'throttled') {
      return {
        problem: undefined,
        note: `${model}, not tried: it asks to wait (${error.message})`,
      };
    }
    return { problem: `${model}: ${error instanceof Error ? error.message : String(error)}` };
  }
}

async function failureOf(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
