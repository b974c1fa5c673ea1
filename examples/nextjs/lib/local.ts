import path from 'node:path';
import { type BulkheadServer, createEmbeddedServer, createLogger } from '@bulkhead/server';
import { userOf } from './session';

/**
 * For development without any service: the kit on its embedded parts, with workers in this process and a store
 * on a port of its own. Next.js hands it the requests.
 */
export async function openLocal(): Promise<BulkheadServer> {
  const storePort = Number(process.env.STORE_PORT ?? 3001);
  const kit = await createEmbeddedServer({
    dir: path.resolve(process.env.BULKHEAD_DIR ?? '.bulkhead'),
    authorize: async (request) => userOf(request),
    storeUrl: `http://localhost:${storePort}`,
    logger: createLogger('warn'),
  });
  await kit.start();
  await kit.listen({ storePort });
  return kit;
}
