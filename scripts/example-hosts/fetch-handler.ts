/**
 * What Cloudflare does for examples/fetch-handler: serves `public/`, hands everything else to the handler, and
 * gives it its settings. Without `S3_ENDPOINT` a store in memory stands in for the bucket; it looks at
 * checksums and not at signatures.
 */
import path from 'node:path';
import { createFaultServer } from 'bulkhead/testing';
import handler from '../../examples/fetch-handler/worker.ts';
import { serveFetch, staticFile } from './serve.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const env = {
  S3_ENDPOINT: process.env.S3_ENDPOINT || (await createFaultServer({ api: false })).storeUrl,
  S3_BUCKET: process.env.S3_BUCKET || 'photos',
  S3_REGION: process.env.S3_REGION || 'us-east-1',
  S3_ACCESS_KEY_ID: process.env.S3_ACCESS_KEY_ID || 'stand-in',
  S3_SECRET_ACCESS_KEY: process.env.S3_SECRET_ACCESS_KEY || 'stand-in',
};

serveFetch(Number(process.env.PORT), async (request) => {
  const page = await staticFile(request, [
    path.join(ROOT, 'examples/fetch-handler/public'),
    path.join(ROOT, 'dist'),
  ]);
  return page ?? handler.fetch(request, env);
});
