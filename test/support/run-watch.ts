import { expect } from 'vitest';
import type { Snapshot } from '../../src/core/types.ts';
import type { Uploader } from '../../src/core/uploader.ts';
import { MAX_ATTEMPTS, URGENT_MAX_ATTEMPTS } from '../../src/retry/retry-policy.ts';

/** What was seen of one run, from its first event on. */
export interface RunWatch {
  /** Everything that was shown or logged: no secret may be in it. */
  texts(): string[];
  /** What was tried again, and why: for the message of a test that failed. */
  readonly retries: readonly string[];
  /** Every snapshot that subscribers were told of. */
  readonly snapshots: readonly Snapshot[];
  /** The uploads and their statuses, in the order of their changes. */
  readonly changes: readonly { readonly id: string; readonly from: string; readonly to: string }[];
}

/** Writes down what an uploader shows while it runs. */
export function watchRun(uploader: Uploader): RunWatch {
  const lines: string[] = [];
  const retries: string[] = [];
  const snapshots: Snapshot[] = [];
  const changes: { id: string; from: string; to: string }[] = [];
  uploader.trace(true, (line) => lines.push(line));
  uploader.on('upload-changed', (event) => {
    changes.push({ id: event.upload.id, from: event.previous, to: event.upload.status });
  });
  uploader.on('upload-retried', (event) => retries.push(JSON.stringify(event)));
  uploader.on('upload-failed', (event) => lines.push(JSON.stringify(event)));
  uploader.on('uploads-stopped', (event) => lines.push(JSON.stringify(event)));
  uploader.subscribe(() => snapshots.push(uploader.getSnapshot()));
  return {
    retries,
    snapshots,
    changes,
    texts: () => [
      ...retries,
      ...lines,
      uploader.exportManifest('json'),
      uploader.deadLetters.export('json'),
      uploader.deadLetters.export('csv'),
      JSON.stringify(uploader.telemetry()),
    ],
  };
}

/** What the page sees of any run: attempts within the policy, counts that add up, progress that only grows. */
export function expectHonestRun(uploader: Uploader, { snapshots }: RunWatch): void {
  const uploads = [...uploader.uploads()];
  for (const { name, attempts, priority } of uploads) {
    for (const stage of ['hash', 'credentials', 'put', 'finalize'] as const) {
      const limit = priority === 'urgent' ? URGENT_MAX_ATTEMPTS : MAX_ATTEMPTS[stage];
      expect(attempts[stage], `I6: ${stage} of ${name}`).toBeLessThanOrEqual(limit);
    }
  }
  const { byStatus, sentBytes, totalBytes } = uploader.getSnapshot();
  const counted = Object.values(byStatus).reduce((sum, count) => sum + count, 0);
  expect(counted, 'I7: the counts are the rows').toBe(uploads.length);
  expect(sentBytes).toBeLessThanOrEqual(totalBytes);
  for (const [at, snapshot] of snapshots.entries()) {
    const before = snapshots[at - 1];
    // What is given up or cancelled is no longer part of what there is to send.
    if (!before || snapshot.totalBytes < before.totalBytes) continue;
    expect(snapshot.sentBytes, 'I7: progress').toBeGreaterThanOrEqual(before.sentBytes);
    expect(snapshot.uploaded, 'I7: uploaded').toBeGreaterThanOrEqual(before.uploaded);
  }
}
