import { createHash, createHmac, randomBytes, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { link, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

type File = Record<'id' | 'mimeType' | 'checksum' | 'assetId', string>;

/** A whole backend: permits, a store in a folder, finalize. Ask who it is before you sign anything. */
export function createBackend(folder: string): (request: Request) => Promise<Response> {
  const secret = randomBytes(32);
  const expiresInMs = 300_000;
  const sealOf = (...signed: string[]) =>
    createHmac('sha256', secret).update(signed.join()).digest('hex');
  const isStored = ({ assetId }: File) =>
    /^[0-9a-f]{64}$/.test(assetId) && existsSync(join(folder, assetId));
  const refuse = (status: number, code: string) =>
    Response.json({ type: 'about:blank', title: code, status, code, detail: code }, { status });

  function sign({ id, mimeType, checksum }: File, origin: string) {
    const key = createHash('sha256').update(`${id} ${checksum}`).digest('hex');
    const until = String(Date.now() + expiresInMs);
    const query = new URLSearchParams({ checksum, until, seal: sealOf(key, checksum, until) });
    const uploadUrl = `${origin}/store/${key}?${query}`;
    const headers = { 'content-type': mimeType || 'application/octet-stream' };
    const expiresAt = new Date(Number(until)).toISOString();
    const object = { uploadUrl, assetId: key, pathname: key, method: 'PUT', headers };
    return { status: 'granted', credential: { ...object, expiresAt, expiresInMs } };
  }

  async function put(key: string, query: URLSearchParams, request: Request): Promise<Response> {
    const { checksum = '', until = '', seal } = Object.fromEntries(query);
    if (seal !== sealOf(key, checksum, until)) return refuse(403, 'url_invalid');
    if (Date.now() > Number(until)) return refuse(403, 'url_expired');
    const bytes = Buffer.from(await request.arrayBuffer());
    const actual = createHash('sha256').update(bytes).digest('hex');
    if (actual !== checksum) return refuse(400, 'checksum_mismatch');
    await mkdir(folder, { recursive: true });
    // Its key is given to a file that is whole: what a crash or a full disk cuts off is never finalized.
    const draft = join(folder, `${randomUUID()}.draft`);
    const failure = await writeFile(draft, bytes, { flush: true })
      .then(() => link(draft, join(folder, key)))
      .catch((e) => e.code);
    await rm(draft, { force: true });
    if (failure === 'EEXIST') return refuse(412, 'already_exists');
    return failure ? refuse(503, 'unavailable') : new Response();
  }

  return async (request) => {
    const { method } = request;
    const { origin, pathname, searchParams } = new URL(request.url);
    const [, area, key = ''] = pathname.split('/');
    if (method === 'PUT' && area === 'store') return put(key, searchParams, request);
    if (method !== 'POST') return refuse(405, 'method_not_allowed');
    const files = (await request.json()) as File[];
    if (area === 'sign') return Response.json(files.map((file) => sign(file, origin)));
    if (area !== 'finalize') return refuse(404, 'not_found');
    return Response.json(files.map(isStored));
  };
}
