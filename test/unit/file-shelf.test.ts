import { expect, it } from 'vitest';
import { FileShelf } from '../../src/core/file-shelf.ts';

const KIB = 1024;
const bytesOf = (kib: number) => new ArrayBuffer(kib * KIB);

it('keeps the bytes of small files up to 32 MB, and of no others', () => {
  const shelf = new FileShelf();
  expect([shelf.mayKeep(64 * KIB), shelf.mayKeep(64 * KIB + 1)]).toEqual([true, false]);
  for (let at = 0; at < 511; at += 1) shelf.keepBytes(`file ${at}`, bytesOf(64));
  expect(shelf.mayKeep(64 * KIB)).toBe(true);
  shelf.keepBytes('the last', bytesOf(64));
  expect(shelf.mayKeep(1)).toBe(false);
  shelf.forgetBytes('the last');
  expect(shelf.mayKeep(64 * KIB)).toBe(true);
});

it('forgets bytes with their file, and when the file is given anew', () => {
  const shelf = new FileShelf();
  const file = new Blob(['a']);
  shelf.put('a', file);
  shelf.keepBytes('a', bytesOf(1));
  shelf.put('a', file);
  expect(shelf.keptBytes('a')).toBeUndefined();
  shelf.keepBytes('a', bytesOf(1));
  shelf.keepBytes('a', bytesOf(2));
  expect(shelf.keptBytes('a')?.byteLength).toBe(2 * KIB);
  shelf.delete('a');
  expect(shelf.keptBytes('a')).toBeUndefined();
  for (let at = 0; at < 512; at += 1) shelf.keepBytes(`file ${at}`, bytesOf(64));
  expect(shelf.mayKeep(1)).toBe(false);
  shelf.clear();
  expect(shelf.mayKeep(64 * KIB)).toBe(true);
});
