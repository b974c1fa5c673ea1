import type { HashContext } from './patiently.ts';
import { readSlices } from './read-slices.ts';
import { type WorkerChannel, WorkerRefusalError } from './worker-channel.ts';
import type { WorkerReply } from './worker-protocol.ts';

/**
 * Hashes the bytes of a whole file by the worker's WebCrypto. They are gone from the page afterwards.
 *
 * @throws WorkerLostError, WorkerRefusalError
 */
export async function digestInWorker(channel: WorkerChannel, bytes: ArrayBuffer): Promise<string> {
  const job = channel.begin();
  return digestOf(await channel.send({ job, bytes, isLast: true, isWhole: true }));
}

/**
 * Hashes a file in slices, which the page reads and the worker hashes.
 *
 * @param onSlice hears of each slice that was hashed
 * @throws WorkerLostError, WorkerRefusalError, and as `readBytes`
 */
export async function hashInWorker(
  channel: WorkerChannel,
  file: Blob,
  context: HashContext,
  onSlice: (reply: WorkerReply) => void,
): Promise<string> {
  const job = channel.begin();
  try {
    let before: Promise<WorkerReply> | undefined;
    for await (const { bytes, isLast } of readSlices(file, context)) {
      const answer = channel.send({ job, bytes, isLast, isWhole: false });
      // Its failure is met at the next slice, which may never come.
      answer.catch(() => {});
      // One slice lies ready while the worker hashes another: no more, or they would pile up.
      if (before) onSlice(await before);
      before = answer;
    }
    const last = await before;
    if (last) onSlice(last);
    return digestOf(last);
  } finally {
    channel.drop(job);
  }
}

function digestOf(reply: WorkerReply | undefined): string {
  if (reply?.digest === undefined) throw new WorkerRefusalError('The worker gave no digest');
  return reply.digest;
}
