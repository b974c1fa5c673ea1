import type { PGlite } from '@electric-sql/pglite';
import type { Signals } from './signals.ts';

/** Within the one process that an embedded database has. */
export function createPgliteSignals(pglite: PGlite): Signals {
  return {
    async send(channel, payload) {
      await pglite.query('select pg_notify($1, $2)', [channel, payload]);
    },
    listen: (channel, onMessage) => pglite.listen(channel, onMessage),
  };
}
