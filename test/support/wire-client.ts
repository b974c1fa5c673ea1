import { createHash } from 'node:crypto';
import {
  type Credential,
  type FinalizeResult,
  type ReconcileResult,
  reconcileResponseSchema,
  type UploadUrlResult,
  uploadCompleteBatchResponseSchema,
  uploadUrlsResponseSchema,
} from '../../src/protocol/index.ts';

let nextId = 1;

export interface WireFile {
  readonly clientId: string;
  readonly filename: string;
  readonly mimeType: string;
  readonly size: number;
  readonly checksum: string;
  readonly body: Buffer;
}

/** A file with bytes of its own. */
export function wireFile(filename = 'photo.jpg', sizeBytes = 1_000): WireFile {
  const body = Buffer.alloc(sizeBytes, `${nextId} `);
  const checksum = createHash('sha256').update(body).digest('hex');
  const clientId = `file-${nextId++}`;
  return { clientId, filename, mimeType: 'image/jpeg', size: sizeBytes, checksum, body };
}

/** The plainest client of the wire: what it gets is checked against the schemas, nothing is retried. */
export class WireClient {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  post(path: string, json: unknown): Promise<Response> {
    return fetch(`${this.#url}${path}`, { method: 'POST', body: JSON.stringify(json) });
  }

  async credentials(...files: readonly WireFile[]): Promise<UploadUrlResult[]> {
    const promised = files.map(({ body: _, ...file }) => file);
    const response = await this.post('/api/upload-urls', { files: promised });
    return uploadUrlsResponseSchema.parse(await response.json()).results;
  }

  async credential(file: WireFile): Promise<Credential> {
    const [result] = await this.credentials(file);
    if (result?.status !== 'granted') throw new Error(`Not granted: ${JSON.stringify(result)}`);
    return result.credential;
  }

  put({ uploadUrl, headers }: Credential, body: Buffer): Promise<Response> {
    return fetch(uploadUrl, { method: 'PUT', headers, body: new Uint8Array(body) });
  }

  async finalize(...assetIds: readonly string[]): Promise<FinalizeResult[]> {
    const uploads = assetIds.map((assetId) => ({ assetId }));
    const response = await this.post('/api/upload-complete', { uploads });
    return uploadCompleteBatchResponseSchema.parse(await response.json()).results;
  }

  async reconcile(...files: readonly WireFile[]): Promise<ReconcileResult[]> {
    const asked = files.map(({ clientId, checksum }) => ({ clientId, checksum }));
    const response = await this.post('/api/uploads/reconcile', { files: asked });
    return reconcileResponseSchema.parse(await response.json()).results;
  }

  /** All of it. @returns the asset's id */
  async upload(file: WireFile): Promise<string> {
    const credential = await this.credential(file);
    const stored = await this.put(credential, file.body);
    if (!stored.ok) throw new Error(`The PUT was answered with ${stored.status}`);
    const [result] = await this.finalize(credential.assetId);
    if (!result?.success) throw new Error(`Not finalized: ${JSON.stringify(result)}`);
    return result.asset.id;
  }
}
