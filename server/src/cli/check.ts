import type { OpenKit } from './open-kit.ts';
import { operatorTokenOf } from './operator-token-of.ts';

export interface Finding {
  readonly what: string;
  /** Undefined: all is well. */
  readonly problem: string | undefined;
  readonly note?: string;
}

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
    { what: 'embedder', problem: undefined, note: embedding.embedder.model },
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

async function failureOf(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
