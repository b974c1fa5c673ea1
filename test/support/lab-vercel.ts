import { type HandleUploadBody, handleUpload } from '@vercel/blob/client';
import { startVercelBlobService } from '../../server/test/fixtures/vercel-blob-service.ts';
import type { FaultProxy } from './fault-proxy.ts';
import type { LabBackend } from './lab.ts';
import { LabRefusal } from './lab-refusal.ts';

const MAX_BYTES = 100 * 1024 * 1024;

/** A stand-in of Vercel's Blob service, and an application's route with the official `handleUpload`. */
export async function startVercelBackend(
  startProxy: (url: string) => Promise<FaultProxy>,
): Promise<LabBackend> {
  const service = await startVercelBlobService('public');
  const proxy = await startProxy(service.origin);
  return {
    proxy,
    facts: {},
    calls: {
      // As its documentation has it: what the application throws becomes a 400.
      'handle-upload': (body: HandleUploadBody) =>
        handleUpload({
          body,
          request: new Request('http://app.test/api/handle-upload', { method: 'POST' }),
          token: service.token,
          onBeforeGenerateToken: async (pathname, clientPayload) => {
            if (pathname.endsWith('.exe')) throw new Error('No programs.');
            const { sizeBytes } = JSON.parse(clientPayload ?? '{}') as { sizeBytes?: number };
            return { maximumSizeInBytes: sizeBytes ?? MAX_BYTES, addRandomSuffix: false };
          },
        }).catch((error: Error) => {
          throw new LabRefusal(400, error.message);
        }),
      urlOf: async (pathname: string) => `${service.origin}/${pathname}`,
    },
    read: async (pathname) => service.objects.get(pathname)?.bytes,
    countStored: async () => service.objects.size,
    async close() {
      await proxy.close();
      await service.close();
    },
  };
}
