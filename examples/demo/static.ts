import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.map': 'application/json',
};

export interface StaticOptions {
  readonly dir: string;
  /** Where the object store answers: the page sends bytes there and shows images from there. */
  readonly storeOrigin: () => string;
  /** Written into the page in place of `%NAME%`. */
  readonly values: Readonly<Record<string, string>>;
}

interface StaticFile {
  readonly body: string;
  readonly etag: string;
}

/** Serves the built page; undefined for what is not a file of it. */
export function createStatic(
  options: StaticOptions,
): (request: Request) => Promise<Response | undefined> {
  const files = new Map<string, { modifiedMs: number; file: Promise<StaticFile> }>();

  const read = async (name: string): Promise<StaticFile> => {
    let body = await readFile(path.join(options.dir, name), 'utf8');
    if (name.endsWith('.html')) body = filled(body, options.values);
    const digest = createHash('sha256').update(body).digest('base64url');
    return { body, etag: `"${digest.slice(0, 22)}"` };
  };

  return async (request) => {
    const { pathname } = new URL(request.url);
    const name = pathname === '/' ? 'index.html' : pathname.slice(1);
    const type = TYPES[path.extname(name)];
    // One folder without subfolders: no path can lead out of it.
    if (type === undefined || !/^[\w-]+(?:\.[\w-]+)+$/.test(name)) return undefined;
    const modifiedMs = (await stat(path.join(options.dir, name)).catch(() => undefined))?.mtimeMs;
    if (modifiedMs === undefined) return undefined;
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return new Response(null, { status: 405, headers: { Allow: 'GET, HEAD' } });
    }
    let known = files.get(name);
    if (known?.modifiedMs !== modifiedMs) {
      known = { modifiedMs, file: read(name) };
      files.set(name, known);
    }
    const { body, etag } = await known.file;
    const headers = {
      'Content-Type': type,
      'Cache-Control': 'no-cache',
      ETag: etag,
      'Content-Security-Policy': policy(options.storeOrigin()),
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
      'Cross-Origin-Opener-Policy': 'same-origin',
    };
    if (request.headers.get('if-none-match') === etag) {
      return new Response(null, { status: 304, headers });
    }
    return new Response(request.method === 'HEAD' ? null : body, { headers });
  };
}

/** Nothing but this page's own files, and the bytes of the store. */
function policy(storeOrigin: string): string {
  return [
    "default-src 'none'",
    // Compiling WebAssembly, not eval: the SDK streams large files through a WASM SHA-256.
    "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self'",
    // Previews of files that are not stored yet are blobs of this page.
    `img-src 'self' blob: ${storeOrigin}`,
    `connect-src 'self' ${storeOrigin}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

function filled(html: string, values: Readonly<Record<string, string>>): string {
  return html.replace(/%([A-Z_]+)%/g, (whole, name: string) => values[name] ?? whole);
}
