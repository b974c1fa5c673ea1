import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { originalKey } from '../src/blobs/keys.ts';
import { migrate } from '../src/database/migrations.ts';
import { openTestDatabase, run } from './fixtures/databases.ts';
import './fixtures/test-server.ts';

test('reservations from before files went in parts are kept, and have no upload in parts', async () => {
  const database = await openTestDatabase();
  const { db } = database;
  try {
    // As the schema was before.
    await run(
      db,
      'alter table uploads drop column multipart_id, drop column multipart_part_size',
      "delete from bulkhead_migration where name = '009-multipart'",
    );
    const id = randomUUID();
    const key = originalKey('ada', id, Date.now());
    await run(
      db,
      `insert into uploads
        (id, user_id, client_id, key, filename, mime_type, size, checksum, state, expires_at)
        values ('${id}', 'ada', 'c', '${key}', 'a.jpg', 'image/jpeg', 5, '${'a'.repeat(64)}',
          'pending', now())`,
    );
    await migrate(db);
    const rows = await db.selectFrom('uploads').selectAll().execute();
    expect(rows).toMatchObject([{ id, multipart_id: null, multipart_part_size: null }]);
    await db
      .updateTable('uploads')
      .set({ multipart_part_size: 5 * 1024 ** 3 })
      .execute();
    const [row] = await db.selectFrom('uploads').selectAll().execute();
    expect(row?.multipart_part_size).toBe(5 * 1024 ** 3);
  } finally {
    await database.close();
  }
});
