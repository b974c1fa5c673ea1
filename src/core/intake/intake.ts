import { UploadError } from '../../errors/upload-error.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { newUpload, type Priority, type Upload } from '../upload-state.ts';
import type { Collected } from './collect-files.ts';
import { mimeTypeOf, type Restrictions, refusalOf } from './restrictions.ts';

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
  readonly restrictions: Restrictions;
  readonly accepted: (upload: Upload, file: File) => void;
  readonly refused: (upload: Upload, error: UploadError) => void;
  /** A file that is there already was added again. */
  readonly repeated: (id: string, file: File) => void;
}

/** Turns files into uploads: restrictions first, and each file once. O(1) a file. */
export class Intake {
  readonly #parts: IntakeParts;
  /** Upload ids by path, size and modification time. */
  readonly #fingerprints = new Map<string, string>();
  #totalBytes = 0;

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  take(entry: Collected, batchId: string, priority: Priority): 'added' | 'refused' | 'repeated' {
    if ('error' in entry) {
      const file = new File([], entry.path.split('/').at(-1) ?? entry.path);
      const { error: cause } = entry;
      const error = new UploadError('file_unreadable', 'The browser could not open it.', { cause });
      this.#parts.refused(this.#newUpload(file, entry.path, batchId, priority), error);
      return 'refused';
    }
    const { file, path } = entry;
    const fingerprint = `${path}\n${file.size}\n${file.lastModified}`;
    const known = this.#fingerprints.get(fingerprint);
    if (known !== undefined) {
      this.#parts.repeated(known, file);
      return 'repeated';
    }
    const upload = this.#newUpload(file, path, batchId, priority);
    const files = this.#fingerprints.size;
    const refusal = refusalOf(file, this.#parts.restrictions, files, this.#totalBytes);
    if (refusal) {
      this.#parts.refused(upload, refusal);
      return 'refused';
    }
    this.#fingerprints.set(fingerprint, upload.id);
    this.#totalBytes += file.size;
    this.#parts.accepted(upload, file);
    return 'added';
  }

  /** The upload was removed: its file may be added again. */
  forget({ path, sizeBytes, lastModifiedMs }: Upload): void {
    if (this.#fingerprints.delete(`${path}\n${sizeBytes}\n${lastModifiedMs}`)) {
      this.#totalBytes -= sizeBytes;
    }
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
