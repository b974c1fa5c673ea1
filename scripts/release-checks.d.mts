export interface ReleaseManifest {
  readonly name: string;
  readonly version: string;
  readonly repository?: { readonly url?: string };
  readonly dependencies?: Readonly<Record<string, string>>;
}

export interface ReleaseState {
  /** What `git status` names. */
  readonly changedFiles: readonly string[];
  readonly sdk: ReleaseManifest;
  readonly server: ReleaseManifest;
  /** The text of CHANGELOG.md. */
  readonly changelog: string;
  readonly tags: readonly string[];
}

/** One sentence for each thing that has to be done before the version can be published. */
export declare function obstaclesTo(state: ReleaseState): string[];
