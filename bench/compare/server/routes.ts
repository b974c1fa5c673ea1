import {
  assetChanges,
  processingStats,
  processingUpdates,
  reconcile,
  uploadComplete,
  uploadPack,
  uploadUrls,
} from './bulkhead-routes.ts';
import type { Exchange } from './exchange.ts';
import { finish, form, postPolicy, sign, temporaryKeys } from './peer-routes.ts';
import { postObject, putObject } from './store-routes.ts';
import { createTusUpload, headTusUpload, patchTusUpload } from './tus-routes.ts';

type Handle = (exchange: Exchange) => Promise<void>;

/** By method and first part of the path that names a route; what follows it is a name or an id. */
const API: Readonly<Record<string, Handle>> = {
  'POST /api/upload-urls': uploadUrls,
  'POST /api/upload-complete': uploadComplete,
  'POST /api/upload-pack': uploadPack,
  'POST /api/uploads/reconcile': reconcile,
  'POST /api/assets/changes': assetChanges,
  'GET /api/processing-stats': processingStats,
  'GET /api/sse/processing-updates': processingUpdates,
  'POST /sign': sign,
  'POST /finish': finish,
  'POST /keys': temporaryKeys,
  'POST /policy': postPolicy,
  'POST /form': form,
  'POST /tus': createTusUpload,
  'PATCH /tus/:id': patchTusUpload,
  'HEAD /tus/:id': headTusUpload,
};

const STORE: Readonly<Record<string, Handle>> = {
  'PUT /bucket/:id': putObject,
  'POST /bucket': postObject,
};

/** The route of a request: `PUT /bucket/00001.jpg` is `PUT /bucket/:id`. */
function routeOf({ method, path }: Exchange): string {
  return `${method} ${path.replace(/^\/(bucket|tus)\/.+$/, '/$1/:id')}`;
}

/** Answers a request to either origin, after the delay of the run, and counts it. */
export async function route(origin: 'api' | 'store', exchange: Exchange): Promise<void> {
  const { tally, delayMs } = exchange.world;
  const name = routeOf(exchange);
  tally.request(name);
  if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
  if (exchange.method === 'OPTIONS') return exchange.preflight();
  const handle = (origin === 'api' ? API : STORE)[name];
  if (!handle) return exchange.answer(404, {}, `${name} is not served here`);
  await handle(exchange);
}
