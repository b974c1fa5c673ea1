/** Executables, by their paths. */
export interface WebKit {
  /** WebKitWebDriver. */
  readonly driver: string;
  readonly xvfb: string;
  /** With the bindings of GTK 3 and WebKit2 4.1. */
  readonly python: string;
}

/** Names of Debian's and Ubuntu's packages. */
export const WEBKIT_PACKAGES: readonly string[];

/** What is said where there is no WebKitGTK. */
export const WEBKIT_LEFT_OUT: string;

/** The WebKitGTK to use, or `undefined` when the machine lacks a part of it. */
export function findWebKit(options?: {
  env?: Record<string, string | undefined>;
  platform?: NodeJS.Platform;
  hasBindings?: (python: string) => boolean;
}): WebKit | undefined;
