import type { Runtime } from '../runtime/runtime.ts';
import type { SessionLocks } from './session-locks.ts';
import { webLocks } from './web-locks.ts';

/** Leases, loaded when they are needed: most pages have Web Locks. */
function lazyLeaseLocks(databaseName: string, runtime: Runtime): SessionLocks {
  let loading: Promise<SessionLocks> | undefined;
  const locks = () => {
    loading ??= import('./lease-locks.ts').then(({ leaseLocks }) =>
      leaseLocks({ databaseName, runtime }),
    );
    return loading;
  };
  return {
    hold: async (...lease) => (await locks()).hold(...lease),
    whenFree: async (...lease) => (await locks()).whenFree(...lease),
    held: async () => (await locks()).held(),
  };
}

/** Web Locks; leases where there are none, as on pages by plain http. */
export function defaultLocks(databaseName: string, runtime: Runtime): SessionLocks {
  const hasLocks = typeof navigator !== 'undefined' && navigator.locks !== undefined;
  return hasLocks ? webLocks(databaseName) : lazyLeaseLocks(databaseName, runtime);
}
