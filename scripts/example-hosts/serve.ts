import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { getRequestListener } from '@hono/node-server';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
};

/** Serves a web-standard handler on this machine, until SIGTERM. */
export function serveFetch(
  port: number,
  fetch: (request: Request) => Promise<Response>,
): ReturnType<typeof createServer> {
  const server = createServer(getRequestListener(fetch)).listen(port, 'localhost');
  process.once('SIGTERM', () => {
    server.close();
    server.closeAllConnections();
  });
  return server;
}

/** A page's own file: the first of that name in these folders. Undefined for whatever else is asked for. */
export async function staticFile(
  request: Request,
  folders: readonly string[],
): Promise<Response | undefined> {
  const name = new URL(request.url).pathname.slice(1) || 'index.html';
  const type = TYPES[path.extname(name)];
  // Folders without subfolders: no path can lead out of them.
  if (request.method !== 'GET' || type === undefined || !/^[\w.-]+$/.test(name)) return undefined;
  for (const folder of folders) {
    const body = await readFile(path.join(folder, name)).catch(() => undefined);
    if (body) return new Response(body, { headers: { 'Content-Type': type } });
  }
  return undefined;
}
