import { UploadError } from '../../errors/upload-error.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { Ledger } from '../ledger.ts';
import { newUpload, type Priority, type Upload } from '../upload-state.ts';
import type { Collected } from './collect-files.ts';
import { type FileMatch, FileMatcher } from './file-matcher.ts';
import { mimeTypeOf, type Restrictions, refusalOf } from './restrictions.ts';

/** Intake gives way to the page after so long. */
const SLICE_MS = 12;

/** What `add()` made of its input. */
export interface AddResult {
  /** Names what was added together: for `pause`, `abort`, `manifest`. */
  readonly batchId: string;
  /** Uploads that were taken in. */
  readonly added: number;
  /** Files that were refused or could not be opened; each is an upload that ended as `rejected`. */
  readonly refused: number;
  /** Files that were there already: the same path, size and modification time. */
  readonly repeated: number;
}

export interface AddOptions {
  /** Default `normal`. `background` goes after everything else. */
  readonly priority?: Exclude<Priority, 'urgent'>;
}

export interface IntakeParts {
  readonly runtime: Runtime;
  readonly ledger: Ledger;
  /** Aborted when the uploader is destroyed. */
  readonly signal: AbortSignal;
  /** More was taken in. */
  readonly wake: () => void;
}

export interface IntakeOptions {
  readonly restrictions: Restrictions;
  readonly accepted: (upload: Upload, file: File) => void;
  readonly refused: (upload: Upload, error: UploadError) => void;
  /** A file that is there already was added again; or its folder is only listed again. */
  readonly repeated: (match: FileMatch, file: File, isRelisted: boolean) => void;
}

/** Turns files into uploads: restrictions first, and each file once. O(1) a file. */
export class Intake {
  readonly #parts: IntakeParts;
  readonly #options: IntakeOptions;
  readonly #matcher = new FileMatcher();
  #files = 0;
  #totalBytes = 0;

  constructor(parts: IntakeParts, options: IntakeOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /** @param isRelisted nobody gave it just now: the rest of a folder is being found */
  async takeAll(
    collected: AsyncIterable<Collected> | Iterable<Collected>,
    batchId: string,
    priority: Priority,
    isRelisted: boolean,
  ): Promise<AddResult> {
    const { runtime, signal, wake } = this.#parts;
    const counts = { added: 0, refused: 0, repeated: 0 };
    let sliceEndMs = runtime.now() + SLICE_MS;
    for await (const entry of collected) {
      if (signal.aborted) break;
      counts[this.#take(entry, batchId, priority, isRelisted)] += 1;
      if (runtime.now() < sliceEndMs) continue;
      wake();
      await runtime.yieldToPage();
      sliceEndMs = runtime.now() + SLICE_MS;
    }
    return { batchId, ...counts };
  }

  /** Takes in an upload whose file may be given again. */
  know(upload: Upload): void {
    if (!this.#matcher.know(upload)) return;
    this.#files += 1;
    this.#totalBytes += upload.sizeBytes;
  }

  /** The upload as which the very same file is there already, by its id. */
  otherOf(upload: Upload): string | undefined {
    const match = this.#matcher.match(upload, () => false);
    return match?.id === upload.id ? undefined : match?.id;
  }

  /** The upload was removed: its file may be added again. */
  forget(upload: Upload): void {
    if (!this.#matcher.forget(upload)) return;
    this.#files -= 1;
    this.#totalBytes -= upload.sizeBytes;
  }

  #take(
    entry: Collected,
    batchId: string,
    priority: Priority,
    isRelisted: boolean,
  ): 'added' | 'refused' | 'repeated' {
    if ('error' in entry) {
      const file = new File([], entry.path.split('/').at(-1) ?? entry.path);
      const { error: cause } = entry;
      const error = new UploadError('file_unreadable', 'The browser could not open it.', { cause });
      this.#options.refused(this.#newUpload(file, entry.path, batchId, priority), error);
      return 'refused';
    }
    const { file, path } = entry;
    const upload = this.#newUpload(file, path, batchId, priority);
    const match = this.#matcher.match(
      upload,
      (id) => this.#parts.ledger.get(id)?.status === 'detached',
    );
    if (match) {
      this.#options.repeated(match, file, isRelisted);
      return 'repeated';
    }
    const refusal = refusalOf(file, this.#options.restrictions, this.#files, this.#totalBytes);
    if (refusal) {
      this.#options.refused(upload, refusal);
      return 'refused';
    }
    this.know(upload);
    this.#options.accepted(upload, file);
    return 'added';
  }

  #newUpload(file: File, path: string, batchId: string, priority: Priority): Upload {
    const info = {
      id: this.#parts.runtime.uuid(),
      name: file.name,
      path,
      sizeBytes: file.size,
      mimeType: mimeTypeOf(file),
      lastModifiedMs: file.lastModified,
      batchId,
    };
    return newUpload(info, priority);
  }
}
