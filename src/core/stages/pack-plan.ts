import type { PackLimits } from '../../protocol/index.ts';

/** A pack that is lost is sent again: it should not take longer than this. */
const PACK_MS = 2_000;
/** Before anything is known of the way. */
const FIRST_PACK_BYTES = 1024 * 1024;
const SMALLEST_PACK_BYTES = 128 * 1024;

/**
 * How much one pack should carry: what goes out in two seconds at the goodput of one slot, within what the
 * server takes. On a slow link packs are small, so that little is sent twice; on a fast one they are as large
 * as they may be, so that few requests are made. Pure.
 *
 * @param bytesPerSecond of all slots together; 0 when it is not known yet
 */
export function packBytes(limits: PackLimits, bytesPerSecond: number, slots: number): number {
  const wanted =
    bytesPerSecond === 0 ? FIRST_PACK_BYTES : (bytesPerSecond / slots) * (PACK_MS / 1_000);
  return Math.min(Math.max(Math.round(wanted), SMALLEST_PACK_BYTES), limits.maxBytes);
}
