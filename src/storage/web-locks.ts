import { lockPrefix, type Release, type SessionLocks } from './session-locks.ts';

const isForbidden = (cause: unknown) =>
  cause instanceof DOMException && cause.name === 'SecurityError';

/**
 * By Web Locks: the browser itself lets go of what a tab held when it is closed, crashes or is killed.
 *
 * @param manager default: this page's
 */
export function webLocks(
  databaseName: string,
  manager: LockManager = navigator.locks,
): SessionLocks {
  const prefix = lockPrefix(databaseName);

  function request(sessionId: string, options: LockOptions): Promise<Release | null> {
    return new Promise((resolve, reject) => {
      manager
        .request(prefix + sessionId, options, (lock) => {
          if (lock === null) return resolve(null);
          return new Promise<void>((release) => resolve(release));
        })
        .catch((cause) => {
          // A sandboxed frame shares no sessions with anybody: there is nothing to lock.
          if (isForbidden(cause)) resolve(() => {});
          else reject(cause);
        });
    });
  }

  return {
    hold: (sessionId) => request(sessionId, { ifAvailable: true }),
    whenFree: (sessionId, signal) =>
      new Promise((resolve, reject) => {
        // Not left to the browser: Chromium 156 overlooks an abort that comes right after a page's
        // first request.
        const abort = () => reject(signal.reason);
        // WebKitGTK 2.50 rejects with an error of its own, not with the reason.
        if (signal.aborted) return abort();
        signal.addEventListener('abort', abort, { once: true });
        request(sessionId, { signal }).then((release) => {
          signal.removeEventListener('abort', abort);
          if (signal.aborted) release?.();
          else if (release !== null) resolve(release);
        }, reject);
      }),
    async held() {
      try {
        const { held = [] } = await manager.query();
        const names = held.map(({ name = '' }) => name).filter((name) => name.startsWith(prefix));
        return new Set(names.map((name) => name.slice(prefix.length)));
      } catch (cause) {
        if (isForbidden(cause)) return new Set();
        throw cause;
      }
    },
  };
}
