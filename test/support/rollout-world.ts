import { UploadError } from '../../src/errors/upload-error.ts';
import type { CredentialRequest, UploadAdapter } from '../../src/transports/adapter.ts';
import type { AdapterDefinition } from '../../src/transports/complete-adapter.ts';
import { defineAdapter } from '../../src/transports/define-adapter.ts';
import { grantLocally } from '../../src/transports/local-credential.ts';
import { type RolloutFallback, withRollout } from '../../src/transports/rollout.ts';

export const { signal } = new AbortController();

export function fileOf(id: string): CredentialRequest {
  const checksum = 'a'.repeat(64);
  return { id, name: 'a.jpg', path: 'a.jpg', sizeBytes: 3, mimeType: 'image/jpeg', checksum };
}

/** An adapter that notes what it is asked. */
export function adapterOf(name: string, methods: Partial<AdapterDefinition> = {}) {
  const calls: string[] = [];
  const adapter = defineAdapter({
    name,
    async credentials(files) {
      calls.push('credentials');
      return files.map((file) => {
        const granted = {
          uploadUrl: 'http://store.test/',
          pathname: '',
          assetId: `${name}-${file.id}`,
        };
        return grantLocally(file, granted, 0);
      });
    },
    async put() {
      calls.push('put');
      return 'stored';
    },
    async finalize(items) {
      calls.push(`finalize ${items.map(({ assetId }) => assetId).join()}`);
      return items.map(({ assetId: id }) => {
        if (!id.startsWith(name)) {
          const error = new UploadError('not_found', 'Of somebody else.');
          return { status: 'failed', error } as const;
        }
        const asset = { id, blobUrl: '', isDuplicate: false, needsProcessing: false };
        return { status: 'finalized', asset } as const;
      });
    },
    ...methods,
  });
  return { adapter, calls };
}

export async function grant(adapter: UploadAdapter, file: CredentialRequest) {
  const [result] = await adapter.credentials([file], signal);
  if (result?.status !== 'granted') throw new Error('Not granted');
  return result.credential;
}

export async function put(adapter: UploadAdapter, id: string) {
  const upload = fileOf(id);
  const credential = await grant(adapter, upload);
  const body = new Blob(['abc']);
  return adapter.put({ upload, credential, body, signal, onProgress: () => {} });
}

export function rollout(direct: UploadAdapter, legacy: UploadAdapter, percent = 100) {
  const fallbacks: RolloutFallback[] = [];
  const adapter = withRollout({
    ...{ percent, key: 'user', direct, legacy },
    onFallback: (fallback) => void fallbacks.push(fallback),
  });
  return { adapter, fallbacks };
}
