export interface S3Service {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Whether it is a Swift that was started here, or in another process of this run. */
  readonly isSwift: boolean;
  /** Ends it, if it was started here. */
  stop(): Promise<void>;
}

export function findOrStartS3(): Promise<S3Service>;
export function parseS3Url(text: string): Omit<S3Service, 'stop'>;
/** What `BULKHEAD_TEST_S3` must be for others to use this one. */
export function s3Url(service: Omit<S3Service, 'stop'>): string;
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
