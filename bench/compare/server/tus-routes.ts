import { randomUUID } from 'node:crypto';
import type { Exchange, TusUpload } from './exchange.ts';

const TUS = { 'tus-resumable': '1.0.0' };

/** `POST /tus`: creates an upload, with its first bytes (`creation-with-upload`). */
export async function createTusUpload(exchange: Exchange): Promise<void> {
  const { headers, world } = exchange;
  const metadata = String(headers['upload-metadata'] ?? '');
  const encoded = /(?:^|,)\s*filename ([^,]+)/.exec(metadata)?.[1] ?? '';
  const name = Buffer.from(encoded, 'base64').toString('utf8');
  const upload: TusUpload = { name, sizeBytes: Number(headers['upload-length']), offset: 0 };
  const id = randomUUID();
  world.tusUploads.set(id, upload);
  await receive(exchange, upload);
  exchange.answer(201, { ...TUS, location: `/tus/${id}`, 'upload-offset': upload.offset });
}

/** `PATCH /tus/<id>` */
export async function patchTusUpload(exchange: Exchange): Promise<void> {
  const upload = find(exchange);
  if (!upload) return exchange.answer(404, TUS);
  if (Number(exchange.headers['upload-offset']) !== upload.offset) return exchange.answer(409, TUS);
  await receive(exchange, upload);
  exchange.answer(204, { ...TUS, 'upload-offset': upload.offset });
}

/** `HEAD /tus/<id>` */
export async function headTusUpload(exchange: Exchange): Promise<void> {
  const upload = find(exchange);
  if (!upload) return exchange.answer(404, TUS);
  const { offset, sizeBytes } = upload;
  exchange.answer(200, { ...TUS, 'upload-offset': offset, 'upload-length': sizeBytes });
}

function find({ path, world }: Exchange): TusUpload | undefined {
  return world.tusUploads.get(path.slice('/tus/'.length));
}

async function receive(exchange: Exchange, upload: TusUpload): Promise<void> {
  upload.offset += await exchange.drain();
  if (upload.offset < upload.sizeBytes) return;
  exchange.world.tally.stored(upload.name, upload.offset);
  exchange.world.tally.finalized(upload.name);
}
