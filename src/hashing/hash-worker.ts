/**
 * The worker: hashes bytes that the page reads. Built into one file that imports nothing. Where WASM is
 * forbidden it refuses slices, and the page hashes them.
 */
import { freeBuffer } from './free-buffer.ts';
import { toHex } from './hasher.ts';
import { type Sha256, Sha256Source } from './sha256.ts';
import { createWasmSha256 } from './sha256-wasm.ts';
import type { WorkerDrop, WorkerReply, WorkerRequest } from './worker-protocol.ts';

const source = new Sha256Source({ wasm: createWasmSha256 });
const jobs = new Map<number, Promise<Sha256>>();

async function digest(request: WorkerRequest): Promise<Omit<WorkerReply, 'id'>> {
  const { job, bytes, isLast, isWhole } = request;
  if (isWhole) return { digest: toHex(await crypto.subtle.digest('SHA-256', bytes)) };
  const taken = jobs.get(job) ?? source.take();
  jobs.set(job, taken);
  const hash = await taken;
  hash.update(new Uint8Array(bytes));
  if (!isLast) return { engine: hash.engine };
  jobs.delete(job);
  const reply = { digest: hash.end(), engine: hash.engine };
  source.give(hash);
  return reply;
}

function drop(job: number): void {
  // One that could not be made failed its request already.
  jobs.get(job)?.then(
    (hash) => source.give(hash),
    () => {},
  );
  jobs.delete(job);
}

function reply(message: WorkerReply): void {
  postMessage(message);
}

addEventListener('message', async ({ data }: MessageEvent<WorkerRequest | WorkerDrop>) => {
  if ('drop' in data) {
    drop(data.drop);
    return;
  }
  const { id, job, bytes } = data;
  try {
    reply({ id, ...(await digest(data)) });
  } catch (cause) {
    drop(job);
    reply({ id, error: String(cause) });
  }
  freeBuffer(bytes);
});
reply({ id: 0 });
