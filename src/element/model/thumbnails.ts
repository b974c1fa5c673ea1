import type { Upload } from '../../core/upload-state.ts';
import type { Uploader } from '../../core/uploader.ts';

/** URLs of thumbnails that the server made: about 300 bytes each, so that these are 3 MB at most. */
const MAX_SERVER_URLS = 10_000;
/** Local files shown at once: more than a window of rows. */
const MAX_LOCAL_URLS = 64;
/** Decoding larger ones for 40 pixels would cost the page its frames. */
const MAX_LOCAL_BYTES = 32 * 1024 * 1024;

/** What every browser draws. */
const DRAWABLE = new Set(['image/jpeg', 'image/png', 'image/webp', 'image/gif', 'image/avif']);

/** Makes and revokes object URLs; tests count. */
export interface ObjectUrls {
  create(file: Blob): string;
  revoke(url: string): void;
}

const browserUrls: ObjectUrls = {
  create: (file) => URL.createObjectURL(file),
  revoke: (url) => URL.revokeObjectURL(url),
};

/**
 * Pictures for rows: the server's thumbnail where it is known, else the file itself by an object URL, for
 * rows in sight only.
 */
export class Thumbnails {
  readonly #uploader: Pick<Uploader, 'fileOf' | 'on'>;
  readonly #urls: ObjectUrls;
  /** By asset; the last ones that came. */
  readonly #server = new Map<string, string>();
  /** By upload. */
  readonly #local = new Map<string, string>();
  readonly #unsubscribe: () => void;

  constructor(uploader: Pick<Uploader, 'fileOf' | 'on'>, urls: ObjectUrls = browserUrls) {
    this.#uploader = uploader;
    this.#urls = urls;
    this.#unsubscribe = uploader.on('asset-changed', ({ assetId, thumbnailUrl }) => {
      if (thumbnailUrl === null) return;
      this.#server.delete(assetId);
      this.#server.set(assetId, thumbnailUrl);
      if (this.#server.size <= MAX_SERVER_URLS) return;
      const [oldest] = this.#server.keys();
      if (oldest !== undefined) this.#server.delete(oldest);
    });
  }

  /** The server's thumbnail; undefined until it told of one. */
  serverUrl(upload: Upload): string | undefined {
    return 'assetId' in upload ? this.#server.get(upload.assetId) : undefined;
  }

  /** A URL of the file itself, to be given back with `release`; undefined where there is nothing to show. */
  openLocal({ id, mimeType, sizeBytes }: Upload): string | undefined {
    const known = this.#local.get(id);
    if (known !== undefined) return known;
    if (!DRAWABLE.has(mimeType) || sizeBytes > MAX_LOCAL_BYTES) return undefined;
    if (this.#local.size >= MAX_LOCAL_URLS) return undefined;
    const file = this.#uploader.fileOf(id);
    if (file === undefined) return undefined;
    const url = this.#urls.create(file);
    this.#local.set(id, url);
    return url;
  }

  /** The row is out of sight, or has the server's picture. */
  release(id: string): void {
    const url = this.#local.get(id);
    if (url === undefined) return;
    this.#local.delete(id);
    this.#urls.revoke(url);
  }

  /** Object URLs that are open now. */
  get openCount(): number {
    return this.#local.size;
  }

  dispose(): void {
    this.#unsubscribe();
    for (const id of [...this.#local.keys()]) this.release(id);
    this.#server.clear();
  }
}
