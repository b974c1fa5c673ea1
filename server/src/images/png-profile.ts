import { crc32, deflateSync } from 'node:zlib';

/** Length of a PNG's signature and its first chunk, IHDR; what follows may be a profile. */
const AFTER_HEADER = 8 + 25;

/**
 * The PNG with an ICC profile in it (an `iCCP` chunk): sharp converts colours from the profile that a
 * file carries, and can be told none for raw pixels.
 */
export function withPngProfile(png: Buffer, profile: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from('iCCPicc\0\0', 'latin1'), deflateSync(profile)]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length - 4);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(body));
  const [start, end] = [png.subarray(0, AFTER_HEADER), png.subarray(AFTER_HEADER)];
  return Buffer.concat([start, length, body, checksum, end]);
}
