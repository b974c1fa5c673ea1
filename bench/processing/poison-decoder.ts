/** The decoder's child, but for one kind of image that kills it for real, as a broken codec would. */
import type { DecodeRequest } from '../../server/src/images/decoder-messages.ts';

/** What such an image ends with. */
export const POISON = Buffer.from('poison: this image kills its decoder');

if (process.send) {
  process.on('message', ({ bytes }: DecodeRequest) => {
    if (Buffer.from(bytes.subarray(-POISON.length)).equals(POISON)) process.abort();
  });
  await import('../../server/src/images/decoder-child.ts');
}
