/**
 * Milliseconds since the epoch. Injected wherever time decides something, so that tests own it.
 *
 * @inline
 */
export type Clock = () => number;
