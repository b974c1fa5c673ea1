import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BlobStore } from '../src/blobs/blob-store.ts';
import { imageKey, originalKey, thumbnailKey } from '../src/blobs/keys.ts';
import type { Queue } from '../src/jobs/queue.ts';
import { ORPHAN_GRACE_MS, SWEEP_GRACE_MS, sweepUploads } from '../src/uploads/sweep.ts';
import { run } from './fixtures/databases.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';
import {
  filesIn,
  grantedOf,
  jpeg,
  putTo,
  startTestServer,
  type TestServer,
  type TestUser,
} from './fixtures/test-server.ts';

let app: TestServer;
beforeEach(async () => {
  app = await startTestServer();
});
afterEach(() => app?.close());

const EXPIRED_MS = 301_000 + SWEEP_GRACE_MS;
const OLD_MS = Math.max(SWEEP_GRACE_MS, ORPHAN_GRACE_MS) + 60_000;
const bytes = new Uint8Array([1, 2, 3]);
const orphanKey = () => originalKey('nobody', randomUUID(), Date.now());

/** Another process's sweep of the same database and store. */
function sweep(blobs: BlobStore = app.store, maxOrphanShare = 1) {
  const logger = recordingLogger();
  const changed: string[] = [];
  const enqueued: string[] = [];
  const queue = {
    enqueue: async (_tx: unknown, name: string, jobs: readonly { assetId: string }[]) => {
      for (const { assetId } of jobs) enqueued.push(`${name} ${assetId}`);
    },
  } as unknown as Queue;
  const report = sweepUploads({
    db: app.database.db,
    blobs,
    queue,
    changes: { changed: (ids) => changed.push(...ids) },
    clock: app.now,
    logger,
    maxOrphanShare,
  });
  return report.then((counts) => ({ ...counts, logger, changed, enqueued }));
}

/** I4: objects without a row, and rows without an object. */
async function imbalance() {
  const { db } = app.database;
  const rows = await db.selectFrom('assets').select(['id', 'key']).execute();
  const pending = await db
    .selectFrom('uploads')
    .select('key')
    .where('state', '=', 'pending')
    .execute();
  const known = new Set([...rows, ...pending].map(({ key }) => key.split('/').at(-1)));
  const files = (await filesIn(app.storeDir)).filter((name) => !name.endsWith('.meta'));
  const present = await Promise.all(rows.map(({ key }) => app.store.head(key)));
  return {
    orphans: files.filter((name) => !known.has(name.split('.')[0])),
    lost: rows.filter((_, i) => !present[i]).map(({ id }) => id),
  };
}

async function finalized(user: TestUser, name = 'a.jpg') {
  const file = jpeg(name);
  const id = await user.upload(file);
  await user.finalize(id);
  const { key } = await app.database.db
    .selectFrom('assets')
    .select('key')
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  return { id, key, file };
}

test('T16: of 1,000 uploads killed after their PUT, the sweep leaves nothing', async () => {
  const user = app.user();
  for (let batch = 0; batch < 2; batch++) {
    const files = Array.from({ length: 500 }, (_, i) => jpeg(`${batch}-${i}.jpg`, 100));
    const results = await user.reserve(files);
    for (let start = 0; start < files.length; start += 20) {
      const some = files.slice(start, start + 20);
      const puts = some.map((file, i) => putTo(grantedOf(results[start + i]), file.bytes));
      expect((await Promise.all(puts)).every(({ status }) => status === 201)).toBe(true);
    }
  }
  expect(await filesIn(app.storeDir)).toHaveLength(2000);
  app.advance(EXPIRED_MS);
  expect((await sweep()).reservations).toBe(1000);
  expect(await filesIn(app.storeDir)).toEqual([]);
  const { db } = app.database;
  expect(await db.selectFrom('uploads').select('id').execute()).toEqual([]);
});

test('deletes objects without a row once they are old, and no others', async () => {
  const { store, user } = app;
  const { key } = await finalized(user());
  const reserved = jpeg('reserved.jpg');
  const pending = await user().upload(reserved);
  const kept = [imageKey(key, 'image/jpeg'), thumbnailKey(key)];
  const orphans = [orphanKey(), imageKey(orphanKey(), 'image/webp'), thumbnailKey(orphanKey())];
  for (const each of [...kept, ...orphans]) await store.write(each, bytes, 'image/jpeg');
  app.advance(ORPHAN_GRACE_MS - 60_000);
  expect((await sweep()).orphans).toBe(0);
  // The reservation is not given up yet: its object is needed.
  await run(app.database.db, `update uploads set expires_at = now() + interval '9 days'`);
  app.advance(OLD_MS);
  expect((await sweep()).orphans).toBe(3);
  for (const each of orphans) expect(await store.head(each)).toBeUndefined();
  for (const each of [key, ...kept]) expect(await store.head(each)).toBeDefined();
  expect(await filesIn(app.storeDir)).toContain(pending);
  expect(await imbalance()).toEqual({ orphans: [], lost: [] });
});

test('deletes the original and the derivatives of an asset that was deleted', async () => {
  const { store, user, database } = app;
  const { id, key } = await finalized(user());
  await store.write(imageKey(key, 'image/jpeg'), bytes, 'image/jpeg');
  await store.write(thumbnailKey(key), bytes, 'image/webp');
  await database.db.deleteFrom('assets').where('id', '=', id).execute();
  app.advance(OLD_MS);
  expect((await sweep()).orphans).toBe(3);
  expect(await filesIn(app.storeDir)).toEqual([]);
});

test('finalizes and sweeps of several processes at once lose no object and leave none', async () => {
  const { user } = app;
  const ada = user();
  const ids = await Promise.all(Array.from({ length: 60 }, (_, i) => ada.upload(jpeg(`${i}.jpg`))));
  for (let i = 0; i < 40; i++) await app.store.write(orphanKey(), bytes, 'image/jpeg');
  app.advance(EXPIRED_MS);
  const [first, second, third, ...answers] = await Promise.all([
    sweep(),
    sweep(),
    sweep(),
    ...ids.map((id) => ada.finalize(id)),
  ]);
  await sweep();
  const kept = answers.filter(({ status }) => status === 200).length;
  const counts = [first, second, third];
  expect(counts.reduce((sum, { reservations }) => sum + reservations, kept)).toBe(60);
  expect(counts.reduce((sum, { missing }) => sum + missing, 0)).toBe(0);
  expect(await imbalance()).toEqual({ orphans: [], lost: [] });
  const names = (await filesIn(app.storeDir)).filter((name) => !name.endsWith('.meta'));
  expect(names).toHaveLength(kept);
});

test('refuses to delete when most objects have no row, and says why', async () => {
  for (let i = 0; i < 150; i++) await app.store.write(orphanKey(), bytes, 'image/jpeg');
  app.advance(OLD_MS);
  const refused = await sweep(app.store, 0.5);
  expect(refused.orphans).toBe(0);
  expect(refused.logger.lines).toContainEqual(
    expect.objectContaining({ level: 'error', fields: { orphans: 150, listed: 150 } }),
  );
  expect((await sweep(app.store, 1)).orphans).toBe(150);
});

test('a run is bounded, and the next one goes on where it ended', async () => {
  const { store } = app;
  for (let i = 0; i < 50; i++) await store.write(orphanKey(), bytes, 'image/jpeg');
  const { id, key } = await finalized(app.user());
  await store.delete([key]);
  // A store with pages of two objects: a run of twenty pages does not see all.
  const small: BlobStore = {
    ...store,
    async list(prefix, after) {
      const { entries, next } = await store.list(prefix, after);
      const page = entries.slice(0, 2);
      const last = page.at(-1);
      const hasMore = next !== undefined || entries.length > page.length;
      return hasMore && last ? { entries: page, next: last.key } : { entries: page };
    },
  };
  app.advance(OLD_MS);
  const runs = [await sweep(small), await sweep(small)];
  expect(runs.map(({ orphans }) => orphans)).toEqual([40, 10]);
  expect(runs.reduce((sum, { missing }) => sum + missing, 0)).toBe(1);
  expect((await imbalance()).lost).toEqual([id]);
});

test('one process walks at a time; the lease of one that died ends', async () => {
  const { db } = app.database;
  await app.store.write(orphanKey(), bytes, 'image/jpeg');
  app.advance(OLD_MS);
  const hold = (until: string) =>
    run(
      db,
      `insert into sweeps (name, holder, leased_until)
       values ('objects', '${randomUUID()}', now() + interval '${until}')
       on conflict (name) do update set leased_until = excluded.leased_until`,
    );
  await hold('10 minutes');
  expect((await sweep()).orphans).toBe(0);
  await hold('-1 second');
  expect((await sweep()).orphans).toBe(1);
});
