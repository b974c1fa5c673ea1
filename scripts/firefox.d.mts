/** The Firefox to use, or `undefined` when the machine has none. */
export function findFirefox(options?: {
  env?: Record<string, string | undefined>;
  platform?: NodeJS.Platform;
}): string | undefined;
