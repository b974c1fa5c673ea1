import { Upload as TusUpload } from 'tus-js-client';
import type { Upload } from './page-bench.ts';

const LOOPS = 6;

/**
 * tus on the page's own origin: six at once, one request a file, because the bytes go with the request that
 * creates the upload; nothing is stored for resuming.
 */
export const uploadByTus: Upload = async (files, { apiUrl }) => {
  let next = 0;
  const loop = async () => {
    for (let index = next++; index < files.length; index = next++) {
      const file = files[index];
      if (file) await send(file, `${apiUrl}/tus`);
    }
  };
  await Promise.all(Array.from({ length: LOOPS }, loop));
};

function send(file: File, endpoint: string): Promise<void> {
  return new Promise((resolve, reject) => {
    new TusUpload(file, {
      endpoint,
      metadata: { filename: file.name, filetype: file.type },
      uploadDataDuringCreation: true,
      storeFingerprintForResuming: false,
      retryDelays: null,
      onSuccess: () => resolve(),
      onError: reject,
    }).start();
  });
}
