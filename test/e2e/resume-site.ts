import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Uploader, UploaderOptions } from '../../src/index.ts';
import { createFaultServer, type FaultServer } from '../../src/testing/index.ts';

declare global {
  interface Window {
    /** Of the page below. */
    uploader: Uploader;
    start(options?: Partial<UploaderOptions>): void;
    fromDrop?: Promise<unknown>;
  }
}

const DIST = path.resolve(import.meta.dirname, '../../dist');

const page = (apiUrl: string) => `<!doctype html>
<meta charset="utf-8">
<title>Resume</title>
<!-- Firefox brings a selection back after a reload: the same one again would be no change. -->
<input id="files" type="file" multiple autocomplete="off">
<script src="/bulkhead.global.js"></script>
<script>
  window.start = (options) => {
    window.uploader = Bulkhead.createUploader({
      adapter: Bulkhead.bulkheadAdapter({ baseUrl: ${JSON.stringify(apiUrl)} }),
      ...options,
    });
  };
  document.querySelector('input').onchange = ({ target }) => {
    window.added = window.uploader.add([...target.files]);
  };
  document.ondragover = (event) => event.preventDefault();
  document.ondrop = (event) => {
    event.preventDefault();
    window.fromDrop = window.uploader.add(event.dataTransfer);
  };
</script>`;

/** A page with the built script tag, a backend for it, and files on disk. */
export class ResumeSite {
  readonly url: string;
  readonly backend: FaultServer;
  /** Absolute paths of the files. */
  readonly files: readonly string[];
  readonly folder: string;
  readonly #close: () => Promise<void>;

  private constructor(
    parts: Pick<ResumeSite, 'url' | 'backend' | 'files' | 'folder'>,
    close: () => Promise<void>,
  ) {
    this.url = parts.url;
    this.backend = parts.backend;
    this.files = parts.files;
    this.folder = parts.folder;
    this.#close = close;
  }

  static async start(count: number, sizeBytes: number): Promise<ResumeSite> {
    const root = await mkdtemp(path.join(tmpdir(), 'bulkhead-resume-'));
    const folder = path.join(root, 'holiday');
    await mkdir(folder);
    const files = await Promise.all(
      Array.from({ length: count }, (_, at) => writePhoto(folder, at, sizeBytes)),
    );
    const backend = await createFaultServer({ processing: { processMs: 5, embedMs: 5 } });
    const server = createServer(async (request, response) => {
      const name = new URL(request.url ?? '/', 'http://page').pathname.slice(1);
      if (name === '') {
        response.setHeader('content-type', 'text/html; charset=utf-8');
        response.end(page(backend.url));
        return;
      }
      const script = await readFile(path.join(DIST, path.basename(name))).catch(() => undefined);
      response.setHeader('content-type', 'text/javascript; charset=utf-8');
      response.writeHead(script ? 200 : 404);
      response.end(script);
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as AddressInfo;
    return new ResumeSite(
      { url: `http://localhost:${port}/`, backend, files, folder },
      async () => {
        server.closeAllConnections();
        await new Promise((closed) => server.close(closed));
        await backend.close();
        await rm(root, { recursive: true, force: true });
      },
    );
  }

  close(): Promise<void> {
    return this.#close();
  }
}

async function writePhoto(folder: string, at: number, sizeBytes: number): Promise<string> {
  const file = path.join(folder, `photo-${String(at).padStart(4, '0')}.jpg`);
  await writeFile(file, randomBytes(sizeBytes));
  // Years ago, as photos are: a file of just now may still be written to.
  await utimes(file, 1_600_000_000, 1_600_000_000 + at);
  return file;
}
