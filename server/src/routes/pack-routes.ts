import {
  MAX_PACK_MANIFEST_BYTES,
  type PackLimits,
  type PackManifest,
  packManifestSchema,
} from 'bulkhead/protocol';
import type { Context, Env, Hono } from 'hono';
import { ProblemError } from '../problem-error.ts';
import type { PackReceiver } from '../uploads/receive-pack.ts';
import { parse, refuseLongBatch } from './parse.ts';
import { createPlaces } from './places.ts';
import { readForm } from './read-form.ts';

/** Of a part beside its bytes: its boundary, its headers, a name of 1,024 bytes. */
const PART_OVERHEAD_BYTES = 2048;
/** Of files in packs that arrive, by the limits' defaults 256 of them. */
const MAX_BYTES_IN_MEMORY = 128 * 1024 * 1024;
const [MIN_PACKS, MAX_PACKS] = [8, 256];
/** A tab sends four at once, so four tabs. */
const MAX_PACKS_OF_USER = 16;

/** Many small files in one body. Paid for by the credentials, so no token is taken. */
export function mountPacks<E extends Env>(
  app: Hono<E>,
  parts: {
    path: (route: string) => string;
    guard: (c: Context<E>) => Promise<string>;
    /** Without one, the route answers 404. */
    packs: PackReceiver | undefined;
  },
): void {
  const { path, guard, packs } = parts;
  const places = packs && createPlaces({ what: 'packs', ...placesOf(packs.limits) });
  app.post(path('/api/upload-pack'), async (c) => {
    const userId = await guard(c);
    if (!packs || !places) throw new ProblemError('not_found', 'This server takes no packs');
    const results = await places.hold(userId, () =>
      packs.receive(userId, readForm(c.req.raw, formLimits(packs.limits))),
    );
    return c.json({ results });
  });
}

/** How many are received at once: of each, one file is in memory. */
function placesOf({ maxFileBytes }: PackLimits) {
  const fitting = Math.floor(MAX_BYTES_IN_MEMORY / maxFileBytes);
  const total = Math.max(MIN_PACKS, Math.min(MAX_PACKS, fitting));
  return { total, perUser: Math.min(MAX_PACKS_OF_USER, total / 2) };
}

function formLimits({ maxFiles, maxBytes }: PackLimits) {
  const overhead = (maxFiles + 2) * PART_OVERHEAD_BYTES;
  // One part too many is seen, and told.
  return { maxBodyBytes: MAX_PACK_MANIFEST_BYTES + maxBytes + overhead, maxParts: maxFiles + 2 };
}

/** @throws {ProblemError} `invalid_request`, `batch_too_large` */
export function parseManifest(text: string): PackManifest {
  let manifest: unknown;
  try {
    manifest = JSON.parse(text);
  } catch (cause) {
    throw new ProblemError('invalid_json', 'The manifest is not JSON', { cause });
  }
  refuseLongBatch(manifest, 'files');
  return parse(packManifestSchema, manifest);
}
