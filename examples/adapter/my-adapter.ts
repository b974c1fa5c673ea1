import { defineAdapter, type UploadAdapter, UploadError } from 'bulkhead';

export function myAdapter(baseUrl = ''): UploadAdapter {
  async function post(path: string, body: unknown, signal: AbortSignal) {
    const headers = { 'content-type': 'application/json' };
    const init = { method: 'POST', headers, body: JSON.stringify(body), signal };
    const response = await fetch(`${baseUrl}${path}`, init).catch((cause) => {
      const code = signal.aborted ? 'cancelled' : 'network_failed';
      throw new UploadError(code, 'The server could not be reached.', { cause });
    });
    if (response.ok) return response.json();
    const code = response.status >= 500 ? 'unavailable' : 'invalid_request';
    throw new UploadError(code, `The server answered ${response.status}.`);
  }

  return defineAdapter({
    name: 'my-backend',
    capabilities: { createOnly: true, checksum: 'sha256', verifiesAtFinalize: true },
    credentials: (files, signal) => post('/sign', files, signal),
    async finalize(items, signal) {
      const found: boolean[] = await post('/finalize', items, signal);
      return items.map(({ assetId: id }, at) => {
        const asset = { id, blobUrl: '', isDuplicate: false, needsProcessing: false };
        if (found[at]) return { status: 'finalized', asset };
        const error = new UploadError('not_uploaded', 'The bytes have not arrived.');
        return { status: 'failed', error };
      });
    },
  });
}
