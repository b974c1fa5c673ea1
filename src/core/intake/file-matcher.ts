import type { Upload } from '../upload-state.ts';

/** What identifies a file without reading it: where it stood, its size and its modification time. */
export interface FileIdentity {
  readonly path: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly lastModifiedMs: number;
}

/** The upload that a file belongs to. `isSame`: beyond doubt, without reading it. */
export interface FileMatch {
  readonly id: string;
  readonly isSame: boolean;
}

/** The fingerprint of a file: equal for the same file, found again at the same place. */
export function fingerprintOf({ path, sizeBytes, lastModifiedMs }: Omit<FileIdentity, 'name'>) {
  return `${path}\n${sizeBytes}\n${lastModifiedMs}`;
}

const placeOf = ({ path, sizeBytes }: FileIdentity) => `${path}\n${sizeBytes}`;
/** Somebody picked the files, who had dropped their folder before, or the other way round. */
const looksOf = ({ name, sizeBytes, lastModifiedMs }: FileIdentity) =>
  `${name}\n${sizeBytes}\n${lastModifiedMs}`;

/** Finds the upload of a file that is given again. O(1) a file. */
export class FileMatcher {
  readonly #byFingerprint = new Map<string, string>();
  /** Of uploads that lack their file only. Two may share a key: the one that came last. */
  readonly #detachedByPlace = new Map<string, string>();
  readonly #detachedByLooks = new Map<string, string>();

  /** @returns whether it was new */
  know(upload: Upload): boolean {
    const fingerprint = fingerprintOf(upload);
    const isNew = !this.#byFingerprint.has(fingerprint);
    this.#byFingerprint.set(fingerprint, upload.id);
    if (upload.status !== 'detached') return isNew;
    this.#detachedByPlace.set(placeOf(upload), upload.id);
    this.#detachedByLooks.set(looksOf(upload), upload.id);
    return isNew;
  }

  /** @param isDetached whether this upload still lacks its file */
  match(file: FileIdentity, isDetached: (id: string) => boolean): FileMatch | undefined {
    const known = this.#byFingerprint.get(fingerprintOf(file));
    if (known !== undefined) return { id: known, isSame: true };
    const byLooks = this.#detachedByLooks.get(looksOf(file));
    if (byLooks !== undefined && isDetached(byLooks)) return { id: byLooks, isSame: false };
    const byPlace = this.#detachedByPlace.get(placeOf(file));
    if (byPlace !== undefined && isDetached(byPlace)) return { id: byPlace, isSame: false };
    return undefined;
  }

  /** @returns whether it was known */
  forget(upload: Upload): boolean {
    const { id } = upload;
    const forgetIn = (map: Map<string, string>, key: string) =>
      map.get(key) === id && map.delete(key);
    forgetIn(this.#detachedByPlace, placeOf(upload));
    forgetIn(this.#detachedByLooks, looksOf(upload));
    return forgetIn(this.#byFingerprint, fingerprintOf(upload));
  }
}
