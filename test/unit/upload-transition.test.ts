import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isEnded,
  isStored,
  newUpload,
  UPLOAD_STATUSES,
  type Upload,
} from '../../src/core/upload-state.ts';
import { transition, type UploadTransition } from '../../src/core/upload-transition.ts';

const failure = { code: 'internal', kind: 'server', message: 'boom' } as const;
const info = {
  id: 'one',
  name: 'a.jpg',
  path: 'trip/a.jpg',
  sizeBytes: 10,
  mimeType: 'image/jpeg',
  lastModifiedMs: 1,
  batchId: 'batch',
};

const transitions: fc.Arbitrary<UploadTransition> = fc.oneof(
  ...(['hash-started', 'credential-requested', 'put-started', 'put-succeeded'] as const).map(
    (type) => fc.constant({ type }),
  ),
  ...(['finalize-started', 'bytes-missing', 'cancelled', 'retried', 'boosted'] as const).map(
    (type) => fc.constant({ type }),
  ),
  fc.constant({ type: 'hash-succeeded', checksum: 'c' } as const),
  fc.constant({ type: 'checksum-doubted' } as const),
  fc.record({
    type: fc.constant('file-lost' as const),
    needs: fc.constantFrom('file', 'permission'),
  }),
  fc.record({
    type: fc.constant('file-found' as const),
    isSame: fc.boolean(),
    lastModifiedMs: fc.constant(1),
  }),
  fc.constant({ type: 'found-uploaded', assetId: 'asset' } as const),
  fc.record({
    type: fc.constant('found-finalized' as const),
    assetId: fc.constant('asset'),
    isDuplicate: fc.boolean(),
    needsProcessing: fc.boolean(),
  }),
  ...(['hash-deferred', 'credential-deferred', 'put-deferred', 'put-lost'] as const).map((type) =>
    fc.record({ type: fc.constant(type), costsAttempt: fc.boolean() }),
  ),
  fc.record({ type: fc.constant('finalize-deferred' as const), costsAttempt: fc.boolean() }),
  fc.record({ type: fc.constant('credential-expired' as const), isRefused: fc.boolean() }),
  ...(['credential-granted', 'duplicate-found'] as const).map((type) =>
    fc.constant({ type, assetId: 'asset' }),
  ),
  fc.record({
    type: fc.constant('finalize-succeeded' as const),
    assetId: fc.constant('asset'),
    isDuplicate: fc.boolean(),
    needsProcessing: fc.boolean(),
  }),
  fc.record({
    type: fc.constant('asset-changed' as const),
    version: fc.nat(20),
    stage: fc.constantFrom('processing', 'embedding', 'searchable', 'failed'),
    failure: fc.constant(failure),
  }),
  ...(['refused', 'gave-up'] as const).map((type) => fc.constant({ type, failure })),
);

const walk = (events: readonly UploadTransition[]): Upload[] => {
  const states = [newUpload(info)];
  for (const event of events) states.push(transition(states.at(-1) ?? newUpload(info), event));
  return states;
};

describe('transition', () => {
  it('keeps what an upload is, whatever happens to it', () => {
    fc.assert(
      fc.property(fc.array(transitions, { maxLength: 60 }), (events) => {
        for (const state of walk(events)) {
          expect(state).toMatchObject(info);
          expect(UPLOAD_STATUSES).toContain(state.status);
        }
      }),
    );
  });

  it('never takes back what the server acknowledged', () => {
    fc.assert(
      fc.property(fc.array(transitions, { maxLength: 80 }), (events) => {
        let wasStored = false;
        for (const state of walk(events)) {
          if (wasStored) expect(isStored(state.status)).toBe(true);
          wasStored = isStored(state.status);
        }
      }),
    );
  });

  it('leaves an end only by a retry or by news of its asset', () => {
    fc.assert(
      fc.property(fc.array(transitions, { maxLength: 80 }), (events) => {
        const states = walk(events);
        events.forEach((event, index) => {
          const before = states[index];
          const after = states[index + 1];
          if (before === after || !before || !isEnded(before.status)) return;
          expect(['retried', 'asset-changed']).toContain(event.type);
        });
      }),
    );
  });

  it('never lets an attempt count fall but by a retry or by progress past its step', () => {
    fc.assert(
      fc.property(fc.array(transitions, { maxLength: 80 }), (events) => {
        const states = walk(events);
        events.forEach((event, index) => {
          const before = states[index]?.attempts.put ?? 0;
          const after = states[index + 1]?.attempts.put ?? 0;
          if (event.type !== 'retried') expect(after).toBeGreaterThanOrEqual(before);
        });
      }),
    );
  });

  it('returns the same object for an event that does not fit', () => {
    const upload = newUpload(info);
    expect(transition(upload, { type: 'put-started' })).toBe(upload);
    expect(transition(upload, { type: 'finalize-started' })).toBe(upload);
  });

  it('ignores old news of an asset', () => {
    const events: UploadTransition[] = [
      { type: 'hash-started' },
      { type: 'hash-succeeded', checksum: 'c' },
      { type: 'credential-requested' },
      { type: 'credential-granted', assetId: 'asset' },
      { type: 'put-started' },
      { type: 'put-succeeded' },
      { type: 'finalize-started' },
      { type: 'finalize-succeeded', assetId: 'asset', isDuplicate: false, needsProcessing: true },
      { type: 'asset-changed', version: 8, stage: 'searchable', failure: null },
      { type: 'asset-changed', version: 7, stage: 'embedding', failure: null },
    ];
    expect(walk(events).at(-1)).toMatchObject({ status: 'searchable', version: 8 });
  });

  it('keeps nothing of a state that is over', () => {
    const states = walk([
      { type: 'hash-started' },
      { type: 'gave-up', failure },
      { type: 'retried' },
    ]);
    expect(states.at(-2)).toHaveProperty('failure');
    expect(states.at(-1)).not.toHaveProperty('failure');
    expect(states.at(-1)?.priority).toBe('urgent');
  });
});
