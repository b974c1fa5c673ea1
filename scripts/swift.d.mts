export interface S3Service {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Whether it is the Swift that was started here. */
  readonly isSwift: boolean;
  /** Ends it, if it was started here. */
  stop(): Promise<void>;
}

export function findOrStartS3(): Promise<S3Service>;
export function parseS3Url(text: string): Omit<S3Service, 'isSwift' | 'stop'>;
export function findSwift(): { bin: string; memcached: string; pythonPath: string } | undefined;
/** Installs what is missing, on Debian as root. */
export function ensureSwift(
  step: (
    title: string,
    command: string,
    args: readonly string[],
    options?: { cwd?: string },
  ) => Promise<void>,
): Promise<void>;
