import { UploadError } from '../errors/upload-error.ts';
import {
  MAX_PACK_MANIFEST_BYTES,
  PACK_MANIFEST_FIELD,
  type PackManifest,
  uploadCompleteBatchResponseSchema,
} from '../protocol/index.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { PackItem, PackOutcome, PackRequest } from './adapter.ts';
import { parseJson } from './parse-json.ts';
import { xhrSend } from './xhr-put.ts';

export interface PackTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly withCredentials: boolean;
}

/**
 * Sends a pack as `multipart/form-data`, by one XMLHttpRequest. What is not in memory goes as the file it is:
 * the browser reads it while it sends.
 *
 * @throws UploadError about the pack as a whole
 */
export async function uploadPack(
  { items, signal, onProgress }: PackRequest,
  target: PackTarget,
  runtime: Runtime,
): Promise<readonly PackOutcome[]> {
  const boundary = `bulkhead-${runtime.uuid()}`;
  const fileBytes = items.reduce((sum, { body }) => sum + body.size, 0);
  const body = formOf(items, boundary);
  const answer = await xhrSend(
    {
      credential: {
        uploadUrl: target.url,
        method: 'POST',
        headers: { ...target.headers, 'content-type': `multipart/form-data; boundary=${boundary}` },
      },
      body,
      signal,
      withCredentials: target.withCredentials,
      // What stands between the files is a small share, and spread evenly.
      onProgress: (sentBytes) => onProgress(Math.floor((sentBytes / body.size) * fileBytes)),
    },
    runtime,
  );
  if (answer === 'lost') return items.map(() => 'lost');
  const parsed = uploadCompleteBatchResponseSchema.safeParse(parseJson(answer.body));
  if (!parsed.success) {
    const message = 'The server did not answer a pack as a Bulkhead server does.';
    throw new UploadError('unexpected_response', message, { status: answer.status });
  }
  return parsed.data.results.map((result) =>
    result.success
      ? { finalized: result.asset }
      : { failed: new UploadError(result.error.code, result.error.detail) },
  );
}

/** The manifest first, then each file under its asset's id. */
function formOf(items: readonly PackItem[], boundary: string): Blob {
  const manifest: PackManifest = {
    files: items.map(({ upload, credential: { assetId } }) => {
      return { assetId, size: upload.sizeBytes, checksum: upload.checksum };
    }),
  };
  const json = JSON.stringify(manifest);
  if (json.length > MAX_PACK_MANIFEST_BYTES) throw new RangeError('Too many files for one pack');
  const parts: BlobPart[] = [
    `--${boundary}\r\nContent-Disposition: form-data; name="${PACK_MANIFEST_FIELD}"\r\n`,
    `Content-Type: application/json\r\n\r\n${json}\r\n`,
  ];
  for (const { credential, body, bytes } of items) {
    parts.push(
      `--${boundary}\r\nContent-Disposition: form-data; name="${credential.assetId}"; filename="file"\r\n`,
      'Content-Type: application/octet-stream\r\n\r\n',
      bytes ?? body,
      '\r\n',
    );
  }
  parts.push(`--${boundary}--\r\n`);
  return new Blob(parts);
}
