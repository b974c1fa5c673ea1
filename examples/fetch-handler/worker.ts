import { AwsClient } from 'aws4fetch';
import type { Credential } from 'bulkhead/protocol';
import * as z from 'zod';

export interface Env {
  /** Of R2: `https://<account>.r2.cloudflarestorage.com`. */
  readonly S3_ENDPOINT: string;
  readonly S3_BUCKET: string;
  /** Of R2: `auto`. */
  readonly S3_REGION: string;
  readonly S3_ACCESS_KEY_ID: string;
  readonly S3_SECRET_ACCESS_KEY: string;
}

const CREDENTIAL_MS = 5 * 60_000;
const MAX_BYTES = 100_000_000;

const fileSchema = z.object({
  id: z.uuid(),
  sizeBytes: z.int().min(1).max(MAX_BYTES),
  mimeType: z.string().startsWith('image/'),
  checksum: z.string().regex(/^[0-9a-f]{64}$/),
});
const filesSchema = z.array(fileSchema).max(100);

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname !== '/api/sign') return new Response('Not found', { status: 404 });
    if (request.method !== 'POST') return new Response(null, { status: 405 });
    const user = userOf(request);
    if (user === null) return new Response('Sign in first', { status: 401 });
    const files = filesSchema.safeParse(await request.json().catch(() => undefined));
    if (!files.success) return new Response('These files are not taken', { status: 400 });
    return Response.json(await Promise.all(files.data.map((file) => sign(file, user, env))));
  },
};

/** The example has one user. Put your session here: the user's id, or null. */
function userOf(_request: Request): string | null {
  return 'visitor';
}

/** A presigned PUT of these bytes and no others: their SHA-256 is among the signed headers. */
async function sign(file: z.infer<typeof fileSchema>, user: string, env: Env): Promise<Credential> {
  const key = `uploads/${user}/${file.id}`;
  const url = new URL(`${env.S3_ENDPOINT}/${env.S3_BUCKET}/${key}`);
  url.searchParams.set('X-Amz-Expires', String(CREDENTIAL_MS / 1000));
  const headers = {
    'content-type': file.mimeType,
    'x-amz-checksum-sha256': base64(file.checksum),
  };
  const aws = new AwsClient({
    accessKeyId: env.S3_ACCESS_KEY_ID,
    secretAccessKey: env.S3_SECRET_ACCESS_KEY,
    region: env.S3_REGION,
    service: 's3',
  });
  const signed = await aws.sign(url.href, {
    method: 'PUT',
    headers,
    aws: { signQuery: true, allHeaders: true },
  });
  return {
    // The same id asked again is the same object, so that nothing is stored twice.
    ...{ assetId: file.id, pathname: key, method: 'PUT', headers, uploadUrl: signed.url },
    expiresAt: new Date(Date.now() + CREDENTIAL_MS).toISOString(),
    expiresInMs: CREDENTIAL_MS,
  };
}

function base64(hex: string): string {
  const bytes = hex.match(/../g) ?? [];
  return btoa(bytes.map((byte) => String.fromCharCode(Number.parseInt(byte, 16))).join(''));
}
