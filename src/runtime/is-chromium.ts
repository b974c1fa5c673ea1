/**
 * Whether a file is tied to its size and modification time: Chromium reads and sends none that was touched
 * since, and says so; other engines read what is there. Plain http hides which engine it is: then false.
 */
export function isChromium(): boolean {
  return typeof navigator !== 'undefined' && 'userAgentData' in navigator;
}
