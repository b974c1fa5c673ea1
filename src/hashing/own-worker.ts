/**
 * Starts the worker that comes with this package. Written so that Vite, webpack and Parcel see it and
 * take the script along; the build puts the name of the built script here.
 *
 * @throws TypeError where modules have no URL, as in CommonJS; SecurityError from another origin
 */
export function startOwnWorker(): Worker {
  return new Worker(new URL('./hash-worker.ts', import.meta.url), { type: 'module' });
}
