/**
 * The script of a decoder child: renders one image after the other, as its parent sends them. What a
 * hostile image can break is this process and nothing else.
 */
import { writeFileSync } from 'node:fs';
import type { DecodeRequest, DecoderMessage } from './decoder-messages.ts';
import { toImageError } from './image-error.ts';
import { renderImage } from './render-image.ts';

/** How often memory is reported where the parent cannot read it. */
const REPORT_MS = 100;

if (process.platform === 'linux') {
  try {
    // When memory runs out, the kernel ends this process first, and not the one that holds the jobs.
    writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // A sandbox without a writable /proc: the kernel then picks by size, which is this one's as well.
  }
} else {
  setInterval(() => send({ type: 'memory', rssBytes: process.memoryUsage.rss() }), REPORT_MS);
}

// Not exit(): that would wait for the decoding that is under way on libuv's threads.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));

process.on('message', ({ bytes, limits }: DecodeRequest) => {
  renderImage(bytes, limits).then(
    (image) => send({ type: 'rendered', image, rssBytes: process.memoryUsage.rss() }),
    (error: unknown) => {
      const { code, message, cause } = toImageError(error);
      const errno = cause instanceof Error && 'code' in cause ? { errno: String(cause.code) } : {};
      send({ type: 'failed', code, message, ...errno, rssBytes: process.memoryUsage.rss() });
    },
  );
});

send({ type: 'ready', rssBytes: process.memoryUsage.rss() });

function send(message: DecoderMessage): void {
  // The parent may be gone this very moment; 'disconnect' ends us then.
  process.send?.(message, undefined, undefined, () => {});
}
