import { freeBuffer } from './free-buffer.ts';
import type { HashContext } from './patiently.ts';
import { readSlices } from './read-slices.ts';
import type { Sha256Source } from './sha256.ts';

/** Takes 1 ms by WASM, 4 ms by JavaScript, four times that on a slow phone. */
const PIECE_BYTES = 256 * 1024;
/** After so long the page gets a turn: with a piece on a slow phone still far below 50 ms. */
const TURN_MS = 12;

/**
 * Hashes a file in slices on the page's own thread, and gives way to the page all the time.
 *
 * @throws as `readBytes`
 */
export async function hashInPage(
  file: Blob,
  source: Sha256Source,
  context: HashContext,
): Promise<string> {
  const { runtime, signal } = context;
  const hash = await source.take();
  try {
    let turnMs = runtime.now();
    for await (const { bytes } of readSlices(file, context)) {
      for (let at = 0; at < bytes.byteLength; at += PIECE_BYTES) {
        hash.update(new Uint8Array(bytes, at, Math.min(PIECE_BYTES, bytes.byteLength - at)));
        if (runtime.now() - turnMs < TURN_MS) continue;
        await runtime.yieldToPage();
        signal.throwIfAborted();
        turnMs = runtime.now();
      }
      freeBuffer(bytes);
    }
    return hash.end();
  } finally {
    source.give(hash);
  }
}
