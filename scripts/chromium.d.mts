/** Flags for a Chromium that tests drive. */
export const CHROMIUM_FLAGS: string[];

/** The Chromium to use, or `undefined` when the machine has none. */
export function findChromium(options?: {
  env?: Record<string, string | undefined>;
  platform?: NodeJS.Platform;
}): string | undefined;
