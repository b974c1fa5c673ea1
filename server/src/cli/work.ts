import { OptionsError } from '../config.ts';
import { createChangeNotifier } from '../events/change-notifier.ts';
import { listenApi } from '../node-server.ts';
import { createWorkerApp } from '../routes/worker-app.ts';
import { shutDown } from '../shut-down.ts';
import { namingPorts } from './naming-ports.ts';
import type { OpenKit } from './open-kit.ts';
import { operatorTokenOf } from './operator-token-of.ts';
import type { Running } from './serve.ts';
import { workersOf } from './workers-of.ts';

/**
 * Processes and embeds images, and answers health checks and telemetry on `PORT`.
 * @throws {OptionsError} on the embedded database, which is one process's own
 */
export async function work(kit: OpenKit): Promise<Running> {
  const { settings, config, database, store, queue, logger, telemetry } = kit;
  if (database.engine.kind === 'pglite') {
    throw new OptionsError(
      'work needs a database that several processes can share: set DATABASE_URL, or run serve alone, which works too',
    );
  }
  const changes = createChangeNotifier(database.signals, { logger });
  const workers = workersOf(kit, changes);
  await queue.start();
  await workers.start();
  const operatorToken = operatorTokenOf(kit);
  const app = createWorkerApp({
    ...{ database, queue, telemetry, logger, operatorToken },
    blobStore: store.blobStore,
    clock: config.clock ?? Date.now,
  });
  const listening = await namingPorts(
    settings,
    () => listenApi({ api: app.fetch }, { host: settings.HOST, apiPort: settings.PORT }),
    () => workers.stop(0),
  );
  return {
    summary: `working; health on ${listening.apiUrl}/readyz`,
    async stop() {
      app.drain();
      const closeOthers = async () => {
        await changes.close();
        await kit.closeOthers();
      };
      await shutDown(
        { database, workers, listenings: [listening], closeOthers },
        { drainMs: settings.BULKHEAD_DRAIN_SECONDS * 1000 },
      );
    },
  };
}
