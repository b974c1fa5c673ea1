/**
 * A backend of one's own: it signs PUTs to a folder of its own, and checks what arrives.
 *
 *   UPLOADS_DIR=uploads  UPLOADS_SECRET=…  PORT=3000  node server.ts
 */
import { createHash, createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import type { Credential, ProblemCode } from 'bulkhead/protocol';
import express, { type Response } from 'express';
import * as z from 'zod';

const { UPLOADS_DIR = 'uploads', PORT = '3000' } = process.env;
/** Without one that stays, a restart makes open credentials void; the page then asks for new ones. */
const SECRET = process.env.UPLOADS_SECRET ?? randomBytes(32).toString('hex');
const CREDENTIAL_MS = 5 * 60_000;
const MAX_BYTES = 100_000_000;

const filesSchema = z
  .array(
    z.object({
      id: z.uuid(),
      sizeBytes: z.int().min(1).max(MAX_BYTES),
      mimeType: z.string().startsWith('image/'),
      checksum: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  )
  .max(100);
const permitSchema = z.object({
  size: z.coerce.number(),
  sha256: z.string(),
  expires: z.coerce.number(),
  signature: z.string(),
});

await mkdir(UPLOADS_DIR, { recursive: true });
const app = express();
// Put your session here, before the routes: who is not signed in gets 401.
app.use(express.static('public'));
app.use(express.static(path.dirname(fileURLToPath(import.meta.resolve('bulkhead')))));

app.post('/api/sign', express.json({ limit: '1mb' }), (request, response) => {
  const files = filesSchema.safeParse(request.body);
  if (!files.success) return refuse(response, 400, 'invalid_request', 'These files are not taken.');
  const expires = Date.now() + CREDENTIAL_MS;
  const credentials = files.data.map(({ id, sizeBytes, mimeType, checksum }): Credential => {
    const signature = sign(id, sizeBytes, checksum, expires).toString('hex');
    return {
      // The same id asked again is the same asset, so that nothing is stored twice.
      ...{ assetId: id, pathname: id, method: 'PUT', headers: { 'content-type': mimeType } },
      uploadUrl: `/files/${id}?size=${sizeBytes}&sha256=${checksum}&expires=${expires}&signature=${signature}`,
      expiresAt: new Date(expires).toISOString(),
      expiresInMs: CREDENTIAL_MS,
    };
  });
  response.json(credentials);
});

app.put('/files/:id', async (request, response) => {
  const { id } = request.params;
  const permit = permitSchema.safeParse(request.query);
  if (!permit.success) return refuse(response, 403, 'url_invalid', 'The URL was altered.');
  const { size, sha256, expires, signature } = permit.data;
  const expected = sign(id, size, sha256, expires);
  const given = Buffer.from(signature, 'hex');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    return refuse(response, 403, 'url_invalid', 'The URL was altered.');
  }
  if (Date.now() > expires) return refuse(response, 403, 'url_expired', 'The URL has expired.');

  const draft = path.join(UPLOADS_DIR, `${randomUUID()}.part`);
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    await pipeline(
      request,
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          bytes += chunk.length;
          if (bytes > size) return;
          hash.update(chunk);
          yield chunk;
        }
      },
      createWriteStream(draft),
    );
    if (bytes !== size) return refuse(response, 400, 'size_mismatch', `Expected ${size} bytes.`);
    if (hash.digest('hex') !== sha256) {
      return refuse(
        response,
        400,
        'checksum_mismatch',
        'The bytes are not those that were hashed.',
      );
    }
    // Whole or not at all; the same bytes sent twice are stored once.
    await rename(draft, path.join(UPLOADS_DIR, id));
    response.sendStatus(200);
  } finally {
    await rm(draft, { force: true });
  }
});

app.listen(Number(PORT), () => console.log(`http://localhost:${PORT}`));

function sign(...parts: (string | number)[]): Buffer {
  return createHmac('sha256', SECRET).update(parts.join('\n')).digest();
}

/** problem+json with one of Bulkhead's codes: the page knows what to do about it. */
function refuse(response: Response, status: number, code: ProblemCode, detail: string): void {
  const problem = { type: 'about:blank', title: code, status, code, detail };
  response.status(status).type('application/problem+json').send(JSON.stringify(problem));
}
