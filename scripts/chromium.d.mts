/** Flags for a Chromium that tests drive. */
export const CHROMIUM_FLAGS: string[];

/** `BULKHEAD_CHROMIUM` names something that cannot be run. */
export class ChromiumPathError extends Error {}

/** The Chromium to use, or `undefined` when the machine has none. */
export function findChromium(options?: {
  env?: Record<string, string | undefined>;
  platform?: NodeJS.Platform;
}): string | undefined;
