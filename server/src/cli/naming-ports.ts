import { type Settings, SettingsError } from './settings.ts';

/**
 * Runs what listens.
 * @param undo ends what runs already, when it failed
 * @throws {SettingsError} when it may not or cannot: names the variable, and what to do
 */
export async function namingPorts<T>(
  settings: Settings,
  open: () => Promise<T>,
  undo: () => Promise<unknown> = async () => {},
): Promise<T> {
  try {
    return await open();
  } catch (error) {
    await undo().catch(() => {});
    const problem = problemOf(error as NodeJS.ErrnoException & { port?: number }, settings);
    if (problem === undefined) throw error;
    throw new SettingsError([problem], { cause: error });
  }
}

function problemOf(
  { code, port }: NodeJS.ErrnoException & { port?: number },
  { HOST, PORT, STORE_PORT }: Settings,
): string | undefined {
  const name = port === PORT ? 'PORT' : 'STORE_PORT';
  switch (code) {
    case 'EADDRINUSE':
      return PORT === STORE_PORT && name === 'PORT'
        ? `PORT: ${port} on ${HOST} is taken, and STORE_PORT is the same; give each a free one`
        : `${name}: ${port} on ${HOST} is taken by another program; end that one, or set ${name} to a free port`;
    case 'EACCES':
      return `${name}: this user may not listen on ${port}; set ${name} to a port from 1024 up`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `HOST: ${HOST} is no address of this machine; 127.0.0.1 is this machine alone, 0.0.0.0 every address`;
    default:
      return undefined;
  }
}
