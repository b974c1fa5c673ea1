import { createHash } from 'node:crypto';
import {
  type FinalizeResult,
  PACK_MANIFEST_FIELD,
  type PackManifest,
  packManifestSchema,
} from '../protocol/index.ts';
import type { ApiParts } from './api-routes.ts';
import type { Exchange } from './exchange.ts';
import type { Reservation } from './fault-backend.ts';
import { jsonAnswer, problemAnswer } from './problem-answer.ts';

type PackedFile = PackManifest['files'][number];

/**
 * `POST /api/upload-pack`: every file that arrived whole is stored and finalized by itself. A body that was
 * cut off counts for nothing here: a real server keeps what it had read.
 */
export async function uploadPack(
  exchange: Exchange,
  _path: string,
  parts: ApiParts,
): Promise<void> {
  const { packs, plan, backend } = parts;
  if (!packs) return exchange.answer(problemAnswer('not_found', 'There is no such route'));
  exchange.expect(plan.match('pack', [{}]));
  await exchange.reach('headers');
  const received: Uint8Array[] = [];
  for await (const chunk of exchange.chunks()) received.push(chunk);
  await exchange.reach('after-body');
  const form = await read(Buffer.concat(received), exchange.request.headers['content-type'] ?? '');
  const manifest = packManifestSchema.safeParse(parse(form?.get(PACK_MANIFEST_FIELD)));
  if (!form || !manifest.success) {
    return exchange.answer(problemAnswer('invalid_request', 'Not a pack'));
  }
  const { files } = manifest.data;
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const isTooLarge = files.some(({ size }) => size > packs.maxFileBytes);
  if (files.length > packs.maxFiles || total > packs.maxBytes || isTooLarge) {
    return exchange.answer(problemAnswer('body_too_large', 'More than one pack takes'));
  }
  const reserved = files.map(({ assetId }) => backend.reservations.get(assetId));
  exchange.record.filenames = reserved.flatMap((reservation) => reservation?.filename ?? []);
  const results: FinalizeResult[] = [];
  for (const [at, file] of files.entries()) {
    const body = form.get(file.assetId);
    const bytes = body instanceof Blob ? new Uint8Array(await body.arrayBuffer()) : undefined;
    results.push(settle(file, bytes, reserved[at], parts));
  }
  await exchange.reach('after-commit');
  await exchange.answer(jsonAnswer({ results }));
}

function settle(
  { assetId, checksum, size }: PackedFile,
  bytes: Uint8Array | undefined,
  reservation: Reservation | undefined,
  { plan, backend, store }: ApiParts,
): FinalizeResult {
  const planned = plan.takeFileProblem('pack', reservation ?? {});
  if (planned) return { assetId, success: false, error: planned };
  if (!reservation) return backend.finalize({ assetId, checksum });
  if (bytes?.byteLength !== size || size !== reservation.size) {
    const error = { code: 'not_uploaded', detail: 'It did not arrive whole' } as const;
    return { assetId, success: false, error };
  }
  if (createHash('sha256').update(bytes).digest('hex') !== checksum) {
    const error = { code: 'checksum_mismatch', detail: 'Other bytes came' } as const;
    return { assetId, success: false, error };
  }
  store(reservation, bytes);
  return backend.finalize({ assetId, checksum });
}

/** @returns undefined for what is no whole form */
async function read(body: Uint8Array<ArrayBuffer>, type: string): Promise<FormData | undefined> {
  try {
    return await new Response(body, { headers: { 'content-type': type } }).formData();
  } catch {
    return undefined;
  }
}

function parse(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return undefined;
  }
}
