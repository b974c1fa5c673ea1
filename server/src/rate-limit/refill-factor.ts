/** Up to here a server is busy, not overloaded. */
const EASE_FROM = 0.5;
/** A tenth of the refill is always left: whoever waits gets on, if slowly. */
export const MIN_REFILL_FACTOR = 0.1;

/**
 * By how much refills shrink under load: 1 up to a pressure of one half, then in a straight line down to
 * 0.1 at full pressure. Whatever is not a number counts as no pressure.
 *
 * @param pressure 0 (idle) to 1 (overloaded)
 */
export function refillFactor(pressure: number): number {
  if (Number.isNaN(pressure) || pressure <= EASE_FROM) return 1;
  const excess = (Math.min(1, pressure) - EASE_FROM) / (1 - EASE_FROM);
  return Math.max(MIN_REFILL_FACTOR, 1 - excess * (1 - MIN_REFILL_FACTOR));
}
