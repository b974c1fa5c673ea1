import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { writePhotos } from './demo-photos.ts';

/** The demo's limit while this set is sent. */
export const MAX_FILE_BYTES = 400 * 1024;

/** A file that must not get in, and a part of the words the page must say about it. */
export interface BadFile {
  readonly name: string;
  readonly words: RegExp;
}

/** Good photos under names that break careless code. What the page shows for each. */
export const ODD_NAMES = [
  { name: 'beach 🏖️ día número 1.jpg', shown: 'beach 🏖️ día número 1.jpg' },
  { name: `"quoted" 'n' <b>bold<b> &amp; co.jpg`, shown: `"quoted" 'n' <b>bold<b> &amp; co.jpg` },
  { name: 'two\nlines.jpg', shown: 'two⟨newline⟩lines.jpg' },
  { name: '..%2F..%2F..\\..\\escape.jpg', shown: '..%2F..%2F..\\..\\escape.jpg' },
  { name: 'photo\u202egpj.exe.jpg', shown: 'photo⟨U+202E⟩gpj.exe.jpg' },
  { name: `${'long'.repeat(62)}xyz.jpg`, shown: `${'long'.repeat(62)}xyz.jpg` },
] as const;

/** Writes the bad set. Every one is refused at its own stage: intake, finalize, processing. */
export async function writeBadFiles(dir: string): Promise<BadFile[]> {
  const [whole] = await writePhotos(dir, ['whole.jpg']);
  const jpeg = await readFile(whole ?? '');
  const files: [name: string, bytes: Uint8Array, words: RegExp][] = [
    ['notes.jpg', Buffer.from('Dear diary, this is no photo.\n'.repeat(40)), /not an image/],
    ['empty.jpg', new Uint8Array(), /file is empty/],
    ['cut-off.jpg', jpeg.subarray(0, jpeg.length * 0.6), /damaged or cut off/],
    ['bomb.png', bombPng(30_000, 20_000), /more pixels/],
    ['drawing.png', Buffer.from(SVG), /SVG files are not taken/],
    ['too-large.jpg', Buffer.concat([jpeg, Buffer.alloc(MAX_FILE_BYTES)]), /the most is 400 KB/],
    ['letter.pdf', Buffer.from('%PDF-1.7\n'), /application\/pdf are not taken/],
  ];
  for (const [name, bytes] of files) await writeFile(path.join(dir, name), bytes);
  return files.map(([name, , words]) => ({ name, words }));
}

const SVG =
  '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>';

/** A valid PNG of one bit a pixel: 75 KB that would be 1.8 GB as RGB. */
function bombPng(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([1, 0, 0, 0, 0], 8);
  const rows = Buffer.alloc((1 + Math.ceil(width / 8)) * height);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
}
