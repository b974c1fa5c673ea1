import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import type { FaultProxy } from './fault-proxy.ts';
import type { LabBackend } from './lab.ts';

interface FormAsset {
  readonly id: string;
  readonly bytes: Buffer;
  readonly fields: Readonly<Record<string, string>>;
}

/** A server of old: one form post stores and registers a file, once for each `clientId`. */
export async function startFormBackend(
  startProxy: (url: string) => Promise<FaultProxy>,
): Promise<LabBackend> {
  const assets = new Map<string, FormAsset>();

  const upload = async (request: IncomingMessage) => {
    const body = Readable.toWeb(request) as ReadableStream<Uint8Array>;
    const headers = { 'content-type': request.headers['content-type'] ?? '' };
    const form = await new Response(body, { headers }).formData();
    const file = form.get('file');
    if (!(file instanceof File)) return { status: 400, json: { error: 'There is no file' } };
    const bytes = Buffer.from(await file.arrayBuffer());
    const texts = [...form].flatMap(([name, value]) =>
      typeof value === 'string' ? [[name, value] as const] : [],
    );
    const fields = { ...Object.fromEntries(texts), filename: file.name, type: file.type };
    const { clientId = randomUUID(), checksum } = Object.fromEntries(texts);
    const actual = createHash('sha256').update(bytes).digest('hex');
    if (checksum !== undefined && checksum !== actual) return refusal('checksum_mismatch', 400);
    const known = assets.get(clientId);
    const asset = known ?? { id: randomUUID(), bytes, fields };
    assets.set(clientId, asset);
    const { id } = asset;
    const answered = { id, blobUrl: `/files/${id}`, isDuplicate: false, needsProcessing: false };
    return { status: 200, json: { success: true, asset: answered } };
  };

  const server = createServer(async (request, response) => {
    const isUpload = request.method === 'POST' && request.url === '/api/upload';
    if (!isUpload) return void response.writeHead(404).end();
    // A page that went away amid its form has no use for an answer.
    const answer = await upload(request).catch(() => undefined);
    if (!answer) return void response.destroy();
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer.json));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy = await startProxy(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const find = (id: string) => [...assets.values()].find((asset) => asset.id === id);

  return {
    proxy,
    facts: {},
    calls: { fields: async (id: string) => find(id)?.fields },
    read: async (id) => find(id)?.bytes,
    countStored: async () => assets.size,
    async close() {
      await proxy.close();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

function refusal(code: string, status: number) {
  const problem = { type: 'about:blank', title: code, status, code, detail: 'Other bytes came.' };
  return { status, json: problem };
}
