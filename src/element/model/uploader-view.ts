import type { Uploader } from '../../core/uploader.ts';
import { CauseBook } from './cause-book.ts';
import { RowBook } from './row-book.ts';
import { readSession } from './session-state.ts';
import { Stopwatch } from './stopwatch.ts';
import { Thumbnails } from './thumbnails.ts';

export interface UploaderViewOptions {
  /** Something changed: at most ten times a second. */
  readonly onChange: () => void;
  /** The browser keeps no record of uploads, or no more copies of files. */
  readonly onDegraded: (what: 'journal' | 'copies') => void;
  readonly onFailed: (id: string) => void;
  readonly onDrained: () => void;
}

/** What the element keeps of one uploader, beside its snapshot: rows by filter, failures by cause, pictures. */
export class UploaderView {
  readonly uploader: Uploader;
  readonly rows: RowBook;
  readonly causes = new CauseBook();
  readonly thumbnails: Thumbnails;
  readonly stopwatch = new Stopwatch();
  /** Bytes of files in flight, by upload. */
  readonly sent = new Map<string, number>();
  readonly #unsubscribes: (() => void)[];

  constructor(uploader: Uploader, options: UploaderViewOptions) {
    this.uploader = uploader;
    this.rows = new RowBook(uploader, options.onChange);
    this.thumbnails = new Thumbnails(uploader);
    for (const upload of uploader.failures()) this.causes.note(upload);
    this.#unsubscribes = [
      uploader.on('upload-added', ({ upload }) => {
        // Those of an earlier page may come with their failure.
        if ('failure' in upload) this.causes.note(upload);
      }),
      uploader.on('upload-changed', ({ upload, previous }) => {
        if (previous === 'uploading') this.sent.delete(upload.id);
        if ('failure' in upload || this.causes.has(upload.id)) this.causes.note(upload);
      }),
      uploader.on('upload-removed', ({ upload }) => {
        this.causes.remove(upload.id);
        this.sent.delete(upload.id);
      }),
      uploader.on('upload-progressed', ({ id, sentBytes }) => this.sent.set(id, sentBytes)),
      uploader.on('upload-failed', ({ id }) => options.onFailed(id)),
      uploader.on('uploads-drained', options.onDrained),
      uploader.on('journal-degraded', () => options.onDegraded('journal')),
      uploader.on('safe-copies-stopped', () => options.onDegraded('copies')),
      uploader.sessions.subscribe(options.onChange),
      uploader.subscribe(() => {
        const snapshot = uploader.getSnapshot();
        const { phase } = readSession(snapshot);
        const isSending = phase === 'uploading' && snapshot.state !== 'paused';
        this.stopwatch.run(isSending || phase === 'processing');
        options.onChange();
      }),
    ];
  }

  dispose(): void {
    for (const unsubscribe of this.#unsubscribes) unsubscribe();
    this.rows.dispose();
    this.thumbnails.dispose();
  }
}
