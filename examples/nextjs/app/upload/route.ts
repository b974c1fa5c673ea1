import type { uploadUrlsResponseSchema } from 'bulkhead/protocol';
import type { infer as Infer } from 'zod/mini';
import { bulkhead } from '../../lib/bulkhead';

type Granted = Infer<typeof uploadUrlsResponseSchema>;

/**
 * The way of old: one form a file, every byte through this function (Vercel takes 4.5 MB). It stands for the
 * route that you have already; users whom the rollout has not reached yet come this way.
 */
export async function POST(request: Request): Promise<Response> {
  const form = await request.formData();
  const file = form.get('file');
  if (!(file instanceof File)) return new Response('There is no file', { status: 400 });
  const kit = await bulkhead();
  const ask = (path: string, body: unknown) => {
    const headers = {
      'content-type': 'application/json',
      cookie: request.headers.get('cookie') ?? '',
    };
    const url = new URL(path, request.url);
    return kit.fetch(new Request(url, { method: 'POST', headers, body: JSON.stringify(body) }));
  };

  const checksum = String(form.get('checksum'));
  const path = form.get('path');
  const promise = {
    ...{ clientId: String(form.get('clientId')), filename: file.name, checksum },
    ...{ mimeType: file.type, size: file.size },
    ...(path === null ? {} : { path: String(path) }),
  };
  const granted = await ask('/api/upload-urls', { files: [promise] });
  if (!granted.ok) return granted;
  const [result] = ((await granted.json()) as Granted).results;
  if (result?.status === 'duplicate') return Response.json({ success: true, asset: result.asset });
  if (result?.status !== 'granted') {
    const { code, detail } = result?.error ?? { code: 'internal', detail: 'No answer' };
    const problem = { type: 'about:blank', title: code, status: 422, code, detail };
    return Response.json(problem, { status: 422 });
  }

  const { assetId, headers, method, uploadUrl } = result.credential;
  const put = await fetch(uploadUrl, { method, headers, body: file });
  // 412: an earlier form brought it, and its answer was lost.
  if (!put.ok && put.status !== 412) return new Response(await put.text(), { status: put.status });
  return ask('/api/upload-complete', { assetId, checksum });
}
