import type { Runtime } from '../../runtime/runtime.ts';
import type { Emitter } from '../emitter.ts';

/**
 * Writes what happens, one line an event, with the milliseconds since the trace began. For people who
 * look for a fault; no URLs, no tokens.
 *
 * @returns what ends the trace
 */
export function createTrace(
  emitter: Emitter,
  runtime: Runtime,
  write: (line: string) => void = (line) => console.debug(line),
): () => void {
  const beganMs = runtime.now();
  const line = (text: string) =>
    write(`[bulkhead +${String(Math.round(runtime.now() - beganMs)).padStart(6)} ms] ${text}`);
  const short = (id: string) => id.slice(0, 8);
  const offs = [
    emitter.on('upload-added', ({ upload }) =>
      line(`${short(upload.id)} added ${upload.path} (${upload.sizeBytes} bytes)`),
    ),
    emitter.on('upload-changed', ({ upload, previous }) =>
      line(`${short(upload.id)} ${previous} → ${upload.status}`),
    ),
    emitter.on('upload-retried', ({ id, attempt, delayMs, failure }) =>
      line(`${short(id)} attempt ${attempt} in ${Math.round(delayMs)} ms after ${failure.code}`),
    ),
    emitter.on('upload-failed', ({ id, failure }) =>
      line(`${short(id)} failed: ${failure.code}: ${failure.message}`),
    ),
    emitter.on('lane-waited', ({ wait }) =>
      line(`waiting ${Math.round(wait.untilMs - runtime.epochNow())} ms (${wait.kind})`),
    ),
    emitter.on('uploads-stopped', ({ reason }) => line(`stopped: ${reason}`)),
    emitter.on('uploads-drained', () => line('nothing left to do')),
  ];
  return () => {
    for (const off of offs) off();
  };
}
