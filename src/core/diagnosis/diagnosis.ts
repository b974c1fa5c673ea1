/** What one check found. */
export interface DiagnosisCheck {
  /**
   * `page`: what this browser offers here. `storage`: whether uploads outlive the page. `hashing`: how files
   * are hashed. `credentials`: whether the server answers, and knows who asks. `clock`: the server's against
   * this computer's. `store`: whether this page may write to the object store. `finalize`: whether the server
   * finds what was stored. `events`: whether news of processing arrive.
   */
  readonly name:
    | 'page'
    | 'storage'
    | 'hashing'
    | 'credentials'
    | 'clock'
    | 'store'
    | 'finalize'
    | 'events';
  /** `warning`: uploads work, something else does not. `skipped`: it needs a check that failed. */
  readonly status: 'ok' | 'warning' | 'failed' | 'skipped';
  /** One sentence: what was found. */
  readonly detail: string;
  /** What to change, where something is to be changed. */
  readonly fix?: string;
  /** How long it took. */
  readonly durationMs: number;
}

/** What `uploader.diagnose()` found. Plain data, without URLs' queries or tokens. */
export interface Diagnosis {
  /** Nothing failed: files can be uploaded. */
  readonly ok: boolean;
  readonly checks: readonly DiagnosisCheck[];
}
