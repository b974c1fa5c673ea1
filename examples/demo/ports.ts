import { createServer } from 'node:net';
import type { Settings } from './settings.ts';

/** A port cannot be had; the message names it and says how to choose another. */
export class PortError extends Error {
  override readonly name = 'PortError';
}

/**
 * Finds out about taken ports at once: opening the database first would make a newcomer wait
 * several seconds to hear of it.
 *
 * @throws {PortError}
 */
export async function checkPorts(settings: Settings, host: string): Promise<void> {
  for (const port of [settings.port, settings.storePort]) {
    if (port === 0) continue;
    await tryPort(port, host).catch((error: unknown) => {
      throw toPortError(error, settings) ?? error;
    });
  }
}

/** What a failed `listen` means; undefined for errors that are not about a port. */
export function toPortError(error: unknown, { port, storePort }: Settings): PortError | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('port' in error)) return undefined;
  const reason =
    error.code === 'EADDRINUSE'
      ? 'is in use by another program'
      : error.code === 'EACCES'
        ? 'may not be used by this user'
        : undefined;
  if (reason === undefined) return undefined;
  const message =
    error.port === storePort && storePort !== port
      ? `Port ${storePort}, for the object store, ${reason}. Choose another: STORE_PORT=${storePort + 10} npm start`
      : `Port ${port} ${reason}. Choose another: PORT=${port + 10} npm start`;
  return new PortError(message, { cause: error });
}

function tryPort(port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(port, host, () => probe.close(() => resolve()));
  });
}
