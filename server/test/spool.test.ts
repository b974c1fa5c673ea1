import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { openSpool, spoolBytes } from '../src/uploads/spool.ts';

async function* chunksOf(...texts: string[]) {
  for (const text of texts) yield Buffer.from(text);
}

test('bytes are on disk with their size and checksum', async () => {
  const spool = await openSpool();
  try {
    const checksum = createHash('sha256').update('one two').digest('hex');
    expect(await spoolBytes(chunksOf('one', ' two'), spool, 7)).toEqual({ size: 7, checksum });
    const read = spool.createReadStream({ start: 0, autoClose: false, encoding: 'utf8' });
    expect((await read.toArray()).join('')).toBe('one two');
  } finally {
    await spool.close();
  }
});

test('more bytes than may be are not written', async () => {
  const spool = await openSpool();
  try {
    expect(await spoolBytes(chunksOf('one', ' two'), spool, 6)).toBe('too_large');
    expect((await spool.stat()).size).toBe(3);
  } finally {
    await spool.close();
  }
});
