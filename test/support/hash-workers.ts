import { onTestFinished } from 'vitest';

/** A worker that runs this script, by a URL of its own. */
function scripted(script: string): () => Worker {
  return () => {
    const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
    onTestFinished(() => URL.revokeObjectURL(url));
    return new Worker(url, { type: 'module' });
  };
}

/** Says that it runs, as the real one does. */
const READY = 'postMessage({ id: 0 });';
/** Answers as the real one, by another's digest. */
const ANSWER = '{ id: data.id, ...(data.isLast ? { digest: "0".repeat(64) } : {}) }';

/** Throws at the first bytes: the browser tells by an event. */
export const crashingWorker = scripted(
  `${READY} onmessage = () => { throw new Error('no memory') }`,
);
/** Ends itself at the first bytes: nobody tells. */
export const vanishingWorker = scripted(`${READY} onmessage = () => close()`);
/** Never says that it runs. */
export const muteWorker = scripted('');
/** Fails to load. */
export const brokenWorker = scripted('this is no script');
/** Says that it cannot. */
export const refusingWorker = scripted(
  `${READY} onmessage = ({ data }) => { if (data.id) postMessage({ id: data.id, error: 'no' }) }`,
);
/** Says wrong digests, and only of requests that nobody made. */
export const confusedWorker = scripted(
  `${READY} onmessage = ({ data }) => postMessage({ ...${ANSWER}, id: data.id + 1000 })`,
);

/** The real one, where its content security policy forbids WASM. */
export const workerWithoutWasm = scripted(
  `delete globalThis.WebAssembly; await import(${JSON.stringify(
    new URL('../../src/hashing/hash-worker.ts', import.meta.url).href,
  )})`,
);

/** Starts the first, then the second …, and from then on always the last. */
export function inTurn(...starts: readonly (() => Worker)[]): {
  startWorker: () => Worker;
  readonly started: number;
} {
  const turns = {
    started: 0,
    startWorker() {
      const start = starts[Math.min(turns.started, starts.length - 1)];
      turns.started += 1;
      if (!start) throw new RangeError('No worker was given');
      return start();
    },
  };
  return turns;
}
