import type { z } from 'zod/mini';
import {
  assetChangesRequestSchema,
  MAX_JSON_BYTES,
  type PackLimits,
  reconcileRequestSchema,
  type UploadRequest,
  type UploadUrlResult,
  uploadCompleteRequestSchema,
  uploadUrlsRequestSchema,
} from '../protocol/index.ts';
import type { EventHub } from './event-hub.ts';
import type { Exchange } from './exchange.ts';
import type { FaultBackend, Reservation } from './fault-backend.ts';
import type { FaultPlan, FaultSubject } from './fault-plan.ts';
import type { FaultRoute } from './fault-rules.ts';
import { uploadPack } from './pack-route.ts';
import { jsonAnswer, problemAnswer } from './problem-answer.ts';

export interface ApiParts {
  readonly backend: FaultBackend;
  readonly hub: EventHub;
  readonly plan: FaultPlan;
  readonly maxFileBytes: number;
  /** What a pack may carry; undefined: none are taken. */
  readonly packs: PackLimits | undefined;
  /** Stores bytes that came by the API. */
  readonly store: (reservation: Reservation, bytes: Uint8Array) => void;
  readonly credentialOf: (reservation: Reservation) => import('../protocol/index.ts').Credential;
  /** By the server's clock, its skew included. */
  readonly now: () => number;
}

type Handler = (exchange: Exchange, path: string, parts: ApiParts) => Promise<void>;

/** Every route of the API: its method, its path, what it is called in a plan, what it does. */
export const API_ROUTES: readonly {
  readonly method: 'GET' | 'POST';
  readonly path: RegExp;
  readonly route: FaultRoute;
  readonly handle: Handler;
}[] = [
  { method: 'POST', path: /^\/api\/upload-urls$/, route: 'credentials', handle: credentials },
  { method: 'POST', path: /^\/api\/upload-complete$/, route: 'finalize', handle: finalize },
  { method: 'POST', path: /^\/api\/upload-pack$/, route: 'pack', handle: uploadPack },
  { method: 'POST', path: /^\/api\/uploads\/reconcile$/, route: 'reconcile', handle: reconcile },
  { method: 'POST', path: /^\/api\/assets\/changes$/, route: 'changes', handle: changes },
  { method: 'GET', path: /^\/api\/processing-stats$/, route: 'stats', handle: stats },
  { method: 'GET', path: /^\/api\/sse\/processing-updates$/, route: 'events', handle: events },
  {
    method: 'POST',
    path: /^\/api\/assets\/[^/]+\/retry-processing$/,
    route: 'retry-processing',
    handle: retryProcessing,
  },
];

async function credentials(exchange: Exchange, _path: string, parts: ApiParts): Promise<void> {
  const request = await read(exchange, uploadUrlsRequestSchema);
  const files = request.success ? request.data.files : [];
  await begin(exchange, 'credentials', files, parts);
  if (!request.success) return refuseRequest(exchange, request.error);
  const results = files.map((file): UploadUrlResult => {
    const { clientId } = file;
    const error = parts.plan.takeFileProblem('credentials', file) ?? judge(file, parts);
    if (error) return { clientId, status: 'rejected', error };
    const holder = parts.backend.assetOf(file.checksum);
    if (holder) {
      return { clientId, status: 'duplicate', asset: parts.backend.finalized(holder, true) };
    }
    const reservation = parts.backend.reserve(file);
    if (!reservation) {
      const detail = `clientId ${JSON.stringify(clientId)} was used for another file`;
      return { clientId, status: 'rejected', error: { code: 'client_id_conflict', detail } };
    }
    return { clientId, status: 'granted', credential: parts.credentialOf(reservation) };
  });
  const { packs } = parts;
  await finish(exchange, { results, ...(packs && { pack: packs }) });
}

function judge({ size }: UploadRequest, { maxFileBytes }: ApiParts) {
  if (size === 0) return { code: 'empty_file', detail: 'The file is empty' } as const;
  if (size <= maxFileBytes) return undefined;
  const detail = `The file has ${size} bytes; at most ${maxFileBytes} are taken`;
  return { code: 'file_too_large', detail } as const;
}

async function finalize(exchange: Exchange, _path: string, parts: ApiParts): Promise<void> {
  const request = await read(exchange, uploadCompleteRequestSchema);
  const items = !request.success
    ? []
    : 'uploads' in request.data
      ? request.data.uploads
      : [request.data];
  const subjectOf = (assetId: string) => parts.backend.reservations.get(assetId) ?? {};
  const subjects = items.map(({ assetId }) => subjectOf(assetId));
  await begin(exchange, 'finalize', subjects, parts);
  if (!request.success) return refuseRequest(exchange, request.error);
  const results = items.map((item) => {
    const { assetId } = item;
    const error = parts.plan.takeFileProblem('finalize', subjectOf(assetId));
    return error ? { assetId, success: false, error } : parts.backend.finalize(item);
  });
  if ('uploads' in request.data) return finish(exchange, { results });
  const [result] = results;
  if (result && 'asset' in result) return finish(exchange, { success: true, asset: result.asset });
  const error = result && 'error' in result ? result.error : undefined;
  await exchange.answer(problemAnswer(error?.code ?? 'internal', error?.detail));
}

async function reconcile(exchange: Exchange, _path: string, parts: ApiParts): Promise<void> {
  const request = await read(exchange, reconcileRequestSchema);
  const files = request.success ? request.data.files : [];
  const subjects = files.map(({ clientId }) => parts.backend.reservationOf(clientId) ?? {});
  await begin(exchange, 'reconcile', subjects, parts);
  if (!request.success) return refuseRequest(exchange, request.error);
  await finish(exchange, { results: files.map((file) => parts.backend.reconcile(file)) });
}

async function changes(exchange: Exchange, _path: string, parts: ApiParts): Promise<void> {
  const request = await read(exchange, assetChangesRequestSchema);
  const ids = request.success ? request.data.ids : [];
  const subjects = ids.map((id) => parts.backend.assets.get(id) ?? {});
  await begin(exchange, 'changes', subjects, parts);
  if (!request.success) return refuseRequest(exchange, request.error);
  await finish(exchange, { changes: parts.backend.changes(ids) });
}

async function stats(exchange: Exchange, _path: string, parts: ApiParts): Promise<void> {
  await begin(exchange, 'stats', [], parts);
  const timestamp = new Date(parts.now()).toISOString();
  await finish(exchange, { stats: parts.backend.stats(), timestamp });
}

async function events(exchange: Exchange, _path: string, parts: ApiParts): Promise<void> {
  await begin(exchange, 'events', [], parts);
  const last = String(exchange.request.headers['last-event-id'] ?? '');
  exchange.beginStream({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
  });
  parts.hub.join(exchange.response, /^\d{1,15}$/.test(last) ? Number(last) : undefined);
  await exchange.reach('after-commit');
}

async function retryProcessing(exchange: Exchange, path: string, parts: ApiParts): Promise<void> {
  await readBytes(exchange);
  const id = path.split('/')[3] ?? '';
  await begin(exchange, 'retry-processing', [parts.backend.assets.get(id) ?? {}], parts);
  const asset = parts.backend.retry(id);
  if (!asset) return exchange.answer(problemAnswer('not_found', 'There is no such asset'));
  await finish(exchange, { success: true, asset });
}

/** The body is there; the plan is asked, and everything before the effect happens. */
async function begin(
  exchange: Exchange,
  route: FaultRoute,
  subjects: readonly FaultSubject[],
  { plan }: ApiParts,
): Promise<void> {
  exchange.record.filenames = subjects.flatMap(({ filename }) => filename ?? []);
  exchange.expect(plan.match(route, subjects.length > 0 ? subjects : [{}]));
  await exchange.reach('headers');
  await exchange.reachBody();
  await exchange.reach('after-body');
}

async function finish(exchange: Exchange, answer: unknown): Promise<void> {
  await exchange.reach('after-commit');
  await exchange.answer(jsonAnswer(answer));
}

async function readBytes(exchange: Exchange): Promise<string> {
  const received: Uint8Array[] = [];
  for await (const chunk of exchange.chunks()) {
    received.push(chunk);
    if (exchange.record.receivedBytes > MAX_JSON_BYTES) {
      await exchange.refuse(problemAnswer('body_too_large'));
    }
  }
  return Buffer.concat(received).toString('utf8');
}

async function read<T extends z.ZodMiniType>(
  exchange: Exchange,
  schema: T,
): Promise<z.core.util.SafeParseResult<z.output<T>>> {
  const text = await readBytes(exchange);
  try {
    return schema.safeParse(JSON.parse(text));
  } catch {
    return schema.safeParse(undefined);
  }
}

async function refuseRequest(exchange: Exchange, error: z.core.$ZodError): Promise<void> {
  const [issue] = error.issues;
  const path = issue?.path.map(String).join('.') ?? '';
  const detail = `${path || 'The body'}: ${issue?.message ?? 'is not valid'}`;
  await exchange.answer(problemAnswer('invalid_request', detail));
}
