import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromStoredRow, standOf, toStoredRow } from '../../src/core/session/stored-row.ts';
import { newUpload, type Upload } from '../../src/core/upload-state.ts';
import { transition } from '../../src/core/upload-transition.ts';
import { UploadError } from '../../src/errors/upload-error.ts';

const CHECKSUM = 'ab'.repeat(32);
const FAILURE = new UploadError('store_refused', 'no', { status: 400 }).toFailure();
const info = {
  ...{ id: 'u1', name: 'a.jpg', path: 'x/a.jpg', sizeBytes: 5, mimeType: 'image/jpeg' },
  ...{ lastModifiedMs: 7, batchId: 'b1' },
};
const times = { addedMs: 1, hashedMs: 2, finalizedMs: 4 };

function uploadAfter(...events: Parameters<typeof transition>[1][]): Upload {
  return events.reduce(transition, newUpload(info));
}

const hashed = [{ type: 'hash-started' }, { type: 'hash-succeeded', checksum: CHECKSUM }] as const;
const granted = [
  ...hashed,
  { type: 'credential-requested' },
  { type: 'credential-granted', assetId: 'asset' },
] as const;
const sending = [...granted, { type: 'put-started' }] as const;
const sent = [...sending, { type: 'put-succeeded' }] as const;
const stored = [
  ...sent,
  { type: 'finalize-started' },
  { type: 'finalize-succeeded', assetId: 'asset', isDuplicate: false, needsProcessing: true },
] as const;

const restore = (upload: Upload) => {
  const row = toStoredRow({ upload, times, attempts: [] });
  return fromStoredRow(structuredClone(row));
};

describe('a stored row', () => {
  it.each([
    ['queued', uploadAfter(), { status: 'detached', needs: 'file' }],
    ['hashing', uploadAfter(hashed[0]), { status: 'detached', needs: 'file' }],
    ['hashed', uploadAfter(...hashed), { status: 'detached', checksum: CHECKSUM }],
    ['ready', uploadAfter(...granted), { status: 'detached', checksum: CHECKSUM }],
    ['uploading', uploadAfter(...sending), { status: 'put-unknown', assetId: 'asset' }],
    ['uploaded', uploadAfter(...sent), { status: 'uploaded', assetId: 'asset' }],
    ['finalizing', uploadAfter(...sent, { type: 'finalize-started' }), { status: 'uploaded' }],
    ['stored', uploadAfter(...stored), { status: 'processing', version: 0 }],
    [
      'searchable',
      uploadAfter(...stored, {
        type: 'asset-changed',
        version: 3,
        stage: 'searchable',
        failure: null,
      }),
      { status: 'searchable', version: 3 },
    ],
    ['dead', uploadAfter(...sending, { type: 'gave-up', failure: FAILURE }), { failure: FAILURE }],
  ])('of an upload that was %s is found as another page can go on with it', (_, upload, found) => {
    expect(restore(upload)).toMatchObject({ upload: { ...info, ...found }, times });
  });

  it('is not kept of what was cancelled', () => {
    const cancelled = uploadAfter({ type: 'cancelled' });
    expect(standOf(cancelled)).toBeUndefined();
    expect(toStoredRow({ upload: cancelled, times, attempts: [] })).toBeUndefined();
  });

  it('keeps any name and path as they are', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (name, folder) => {
        for (const path of [name, `${folder}/${name}`, folder]) {
          const upload = newUpload({ ...info, name, path });
          expect(restore(upload)?.upload).toMatchObject({ name, path });
        }
      }),
    );
  });

  it('that is anything else is no upload, and nothing is thrown', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(fromStoredRow(value)).toBeUndefined();
      }),
    );
  });

  it('that was damaged anywhere is left out, or still a whole upload', () => {
    const row = toStoredRow({ upload: uploadAfter(...stored), times, attempts: [] }) as unknown[];
    fc.assert(
      fc.property(fc.nat(row.length - 1), fc.anything(), (at, value) => {
        const found = fromStoredRow(row.with(at, value));
        if (!found) return;
        expect(typeof found.upload.id).toBe('string');
        expect(found.upload.sizeBytes).toBeGreaterThanOrEqual(0);
        if ('checksum' in found.upload) expect(found.upload.checksum).toHaveLength(64);
      }),
    );
  });
});
