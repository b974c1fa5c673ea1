/**
 * For examples/script-tag: a plain file server with the page and the SDK's two scripts, and the server kit on an
 * origin of its own. The page names the kit at ports 3000 and 3001; here it is told where it is instead.
 */
import path from 'node:path';
import { createEmbeddedServer, createLogger } from '@bulkhead/server';
import { serveFetch, staticFile } from './serve.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const port = Number(process.env.PORT);
const { API_PORT = '3000', STORE_PORT = '3001', BULKHEAD_DIR = '.bulkhead' } = process.env;

const kit = await createEmbeddedServer({
  dir: BULKHEAD_DIR,
  // The example has one user. A real page puts its session in this place.
  authorize: async () => 'visitor',
  allowedOrigins: [`http://localhost:${port}`],
  storeUrl: `http://localhost:${STORE_PORT}`,
  logger: createLogger('warn'),
});
await kit.start();
await kit.listen({ apiPort: Number(API_PORT), storePort: Number(STORE_PORT) });

serveFetch(port, async (request) => {
  const file = await staticFile(request, [
    path.join(ROOT, 'examples/script-tag'),
    path.join(ROOT, 'dist'),
  ]);
  if (!file) return new Response('Not found', { status: 404 });
  const text = await file.text();
  const here = text
    .replaceAll('http://localhost:3000', `http://localhost:${API_PORT}`)
    .replaceAll('http://localhost:3001', `http://localhost:${STORE_PORT}`);
  return new Response(here, { headers: file.headers });
});
process.once('SIGTERM', () => kit.close());
