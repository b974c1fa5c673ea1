import { toCsv } from './csv.ts';
import type { Timeline, Times } from './timeline.ts';
import type { Upload, UploadStatus } from './upload-state.ts';

/** What became of one file: a line of a batch's manifest. */
export interface ManifestEntry {
  readonly path: string;
  readonly name: string;
  readonly sizeBytes: number;
  /** SHA-256 in hex; null when the file was not hashed, or is no longer on its way. */
  readonly checksum: string | null;
  readonly assetId: string | null;
  readonly status: UploadStatus;
  /** Failed attempts over all steps. */
  readonly failedAttempts: number;
  readonly failureCode: string | null;
  readonly times: Times | null;
}

const TIMES = ['addedMs', 'hashedMs', 'sentMs', 'finalizedMs', 'searchableMs', 'failedMs'] as const;

export function manifestOf(uploads: Iterable<Upload>, timeline: Timeline): ManifestEntry[] {
  return Array.from(uploads, (upload) => {
    const { hash, credentials, put, finalize } = upload.attempts;
    return {
      path: upload.path,
      name: upload.name,
      sizeBytes: upload.sizeBytes,
      checksum: 'checksum' in upload ? (upload.checksum ?? null) : null,
      assetId: 'assetId' in upload ? upload.assetId : null,
      status: upload.status,
      failedAttempts: hash + credentials + put + finalize,
      failureCode: 'failure' in upload ? upload.failure.code : null,
      times: timeline.of(upload.id) ?? null,
    };
  });
}

/** Times as ISO 8601, empty where a milestone was not reached. */
export function manifestToCsv(entries: readonly ManifestEntry[]): string {
  const header = [
    'path',
    'name',
    'size_bytes',
    'checksum',
    'asset_id',
    'status',
    'failed_attempts',
    'failure_code',
    ...TIMES.map((name) => name.replace('Ms', '_at')),
  ];
  const rows = entries.map((entry) => [
    entry.path,
    entry.name,
    entry.sizeBytes,
    entry.checksum,
    entry.assetId,
    entry.status,
    entry.failedAttempts,
    entry.failureCode,
    ...TIMES.map((name) => {
      const atMs = entry.times?.[name];
      return atMs === undefined ? null : new Date(atMs).toISOString();
    }),
  ]);
  return toCsv(header, rows);
}
