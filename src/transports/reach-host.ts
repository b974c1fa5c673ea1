const REACH_TIMEOUT_MS = 5_000;

/** Whether the URL's host answers at all, whatever it answers. */
export async function isHostReachable(url: string): Promise<boolean> {
  try {
    // An opaque answer is all that is wanted: it needs no permission of the store.
    const signal = AbortSignal.timeout(REACH_TIMEOUT_MS);
    const root = new URL('/', new URL(url, globalThis.location?.href));
    await fetch(root, { mode: 'no-cors', cache: 'no-store', signal });
    return true;
  } catch {
    // Refused, timed out, or kept from leaving the browser: not reachable, whatever the reason.
    return false;
  }
}
