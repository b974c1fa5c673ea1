import { describe, expect, it } from 'vitest';
import type { Snapshot } from '../../src/core/types.ts';
import { UPLOAD_STATUSES, type Upload, type UploadStatus } from '../../src/core/upload-state.ts';
import { CauseBook, canRetry } from '../../src/element/model/cause-book.ts';
import { readSession } from '../../src/element/model/session-state.ts';
import { situationOf } from '../../src/element/model/situation.ts';
import { englishStrings, formatDuration, formatTimeLeft } from '../../src/element/words/english.ts';
import { visibleName } from '../../src/element/words/visible-name.ts';

const words = englishStrings({ one: 'photo', many: 'photos' });

/** A snapshot with so many uploads in each status; its sums as the SDK makes them. */
function snapshotOf(counts: Partial<Record<UploadStatus, number>>): Snapshot {
  const zeros = Object.fromEntries(UPLOAD_STATUSES.map((status) => [status, 0]));
  const byStatus = { ...zeros, ...counts } as Record<UploadStatus, number>;
  const rows = Object.values(byStatus).reduce((sum, count) => sum + count, 0);
  const searchable = byStatus.searchable + byStatus.duplicate;
  const processed = searchable + byStatus.embedding;
  return {
    state: 'running',
    stop: null,
    wait: null,
    concurrency: 6,
    total: rows - byStatus.rejected - byStatus.cancelled,
    totalBytes: 0,
    byStatus,
    uploaded: processed + byStatus.processing + byStatus['processing-failed'],
    processed,
    searchable,
    failed: byStatus.dead + byStatus.rejected + byStatus['processing-failed'],
    duplicates: byStatus.duplicate,
    needsFile: byStatus.detached,
    needsPermission: 0,
    survivesReload: true,
    sentBytes: 0,
    bytesPerSecond: 0,
    secondsLeft: null,
    serverStats: null,
    watch: 'stream',
  };
}

const sessionOf = (counts: Partial<Record<UploadStatus, number>>) =>
  readSession(snapshotOf(counts));

function failed(id: string, status: 'dead' | 'rejected', code: 'stalled' | 'not_an_image'): Upload {
  const attempts = { hash: 0, credentials: 0, put: 0, finalize: 0, refresh: 0 };
  const failure = { code, kind: 'unknown', message: `${id} failed` } as const;
  const file = { name: `${id}.jpg`, path: `${id}.jpg`, sizeBytes: 1, mimeType: 'image/jpeg' };
  const info = { ...file, id, lastModifiedMs: 0, batchId: 'batch' };
  return { ...info, priority: 'normal', attempts, status, failure };
}

describe('the words of the element', () => {
  it('tells the three stages apart in one line', () => {
    const session = sessionOf({ queued: 500, processing: 1050, embedding: 330, searchable: 120 });
    expect(words.summary(session).join(' ')).toBe(
      'Uploading 1500/2000 · Processing 450/2000 · Searchable 120/2000',
    );
    expect(session.phase).toBe('uploading');
  });

  it('says that the tab may go only when nothing is left to send', () => {
    expect(sessionOf({ finalizing: 1 }).unsent).toBe(1);
    expect(sessionOf({ processing: 5 })).toMatchObject({ unsent: 0, phase: 'processing' });
    expect(sessionOf({ searchable: 5, dead: 1 }).phase).toBe('done');
  });

  it.each([
    [{ searchable: 1 }, 'Your photo is in the library'],
    [{ searchable: 2000 }, 'All 2,000 photos are in the library'],
    [{ searchable: 1994, dead: 6 }, '1,994 of 2,000 photos are in the library'],
    [{ searchable: 8, cancelled: 4 }, '8 photos are in the library'],
    [{ cancelled: 4 }, 'Cancelled before anything was sent'],
    [{ rejected: 3 }, '3 files were not taken'],
  ] as const)('closes %o with "%s"', (counts, line) => {
    expect(words.doneSummary(sessionOf(counts))).toBe(line);
  });

  it('counts a wait down and never below now', () => {
    expect(words.waiting('rate_limit', 12)).toBe('Upload rate limited. Retrying in 12 s…');
    expect(words.waiting('network', 4)).toBe('The connection is gone. Trying again in 4 s…');
    expect(words.waiting('rate_limit', 0)).toBe('Upload rate limited. Retrying now…');
  });

  it('gives durations in at most two units', () => {
    expect([0.4, 59.4, 102, 3600, 7260].map(formatDuration)).toEqual([
      '0 s',
      '59 s',
      '1 min 42 s',
      '1 h',
      '2 h 1 min',
    ]);
    expect(formatTimeLeft(61)).toBe('about 1 min 5 s left');
    expect(formatTimeLeft(0.3)).toBe('almost there');
  });

  it('names what a file name hides, and leaves the rest of it alone', () => {
    expect(visibleName('invoice\u202egpj.exe')).toBe('invoice⟨U+202E⟩gpj.exe');
    expect(visibleName('two\nlines\u0000.jpg')).toBe('two⟨newline⟩lines⟨U+0000⟩.jpg');
    expect(visibleName('\u200b')).toBe('⟨U+200B⟩');
    expect(visibleName('   ')).toBe('“   ”');
    expect(visibleName('family 👨‍👩‍👧 día.jpg')).toBe('family 👨‍👩‍👧 día.jpg');
  });

  it('groups failures by cause, those that a retry may help first', () => {
    const book = new CauseBook();
    for (const id of ['a', 'b', 'c']) book.note(failed(id, 'rejected', 'not_an_image'));
    book.note(failed('d', 'dead', 'stalled'));
    expect(book.list().map(({ code, uploads }) => [code, uploads.size])).toEqual([
      ['stalled', 1],
      ['not_an_image', 3],
    ]);
    const [stalled] = book.list()[0]?.first(1) ?? [];
    expect(stalled && words.cause(stalled.failure)).toEqual({
      what: 'The upload stopped moving.',
      advice: 'Check the network, then retry.',
    });

    const { failure: _, ...row } = failed('d', 'dead', 'stalled') as Upload & { failure: unknown };
    book.note({ ...row, status: 'queued' } as Upload);
    expect(book.list().map(({ code }) => code)).toEqual(['not_an_image']);
    expect(book.count).toBe(3);
  });

  it.each([
    [{ status: 'queued' }, 0, 'Waiting'],
    [{ status: 'uploading' }, 0.428, 'Uploading 42 %'],
    [{ status: 'finalizing' }, 0, '✓ Sent → Confirming…'],
    [{ status: 'processing' }, 0, '✓ Uploaded → Processing…'],
    [{ status: 'embedding' }, 0, '✓ Processed → Indexing…'],
    [{ status: 'searchable' }, 0, '✓ Ready to search'],
    [{ status: 'duplicate' }, 0, '✓ Already in your library'],
    [{ status: 'detached', needs: 'file' }, 0, 'Waits for its file'],
    [{ status: 'cancelled' }, 0, 'Cancelled'],
  ])('says of a row that is %o: %s %s', (variant, share, line) => {
    expect(
      words.rowStatus({ ...failed('a', 'dead', 'stalled'), ...variant } as Upload, share),
    ).toBe(line);
  });

  it('says of a failed row what happened, without the advice', () => {
    expect(words.rowStatus(failed('a', 'dead', 'stalled'), 0)).toBe('The upload stopped moving.');
  });

  it('offers a retry only where it can help', () => {
    expect(canRetry(failed('a', 'dead', 'stalled'))).toBe(true);
    expect(canRetry(failed('a', 'rejected', 'not_an_image'))).toBe(false);
    expect(canRetry(failed('a', 'dead', 'not_an_image'))).toBe(false);
  });

  it('announces a stop, a pause, being offline and a limit before any progress', () => {
    const busy = { ...snapshotOf({ queued: 3, searchable: 1 }), state: 'paused' } as const;
    const session = readSession(busy);
    const say = (snapshot: Snapshot, isOffline = false) =>
      situationOf(session, snapshot, isOffline, words).words;
    expect(say({ ...busy, stop: 'unauthenticated' })).toContain('no longer signed in');
    expect(say(busy, true)).toContain('Paused.');
    const running = { ...busy, state: 'running' } as const;
    expect(say(running, true)).toContain('You are offline.');
    const wait = { kind: 'rate_limit', untilMs: 0 } as const;
    expect(say({ ...running, state: 'waiting', wait })).toBe('Upload rate limited.');
    expect(say(running)).toContain('Uploading 1/4');
  });
});
