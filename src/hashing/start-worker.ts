/**
 * Starts a module worker from anywhere. A page may not start scripts of another origin, but it may
 * start one of its own that imports them, where CORS and its content security policy permit it.
 *
 * @throws DOMException where workers are forbidden
 */
export function startWorkerAt(url: URL): Worker {
  if (url.origin === location.origin) return new Worker(url, { type: 'module' });
  const script = new Blob([`import ${JSON.stringify(url.href)}`], { type: 'text/javascript' });
  // Not revoked: browsers differ in when they read it, and it is hundred bytes.
  return new Worker(URL.createObjectURL(script), { type: 'module' });
}
