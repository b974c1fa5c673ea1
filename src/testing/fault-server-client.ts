import {
  COMMAND_NAMES,
  CONTROL_PREFIX,
  type FaultServerAddress,
  type FaultServerClient,
} from './commands.ts';
import type { FaultServerPlainOptions } from './fault-options.ts';

/** A command was refused, or no fault server answers there. */
export class FaultServerError extends Error {
  override readonly name = 'FaultServerError';
}

/**
 * Connects to a fault server from a page, a worker or another process.
 *
 * @param url `server.url`
 * @throws FaultServerError when none answers there
 */
export async function connectFaultServer(url: string): Promise<FaultServerClient> {
  const address = (await command(url, 'address', [])) as FaultServerAddress;
  const commands = Object.fromEntries(
    COMMAND_NAMES.map((name) => [name, (...args: unknown[]) => command(url, name, args)]),
  );
  return {
    ...(commands as unknown as FaultServerClient),
    ...address,
    async spawn(options: FaultServerPlainOptions = {}) {
      const child = (await command(url, 'spawn', [options])) as FaultServerAddress;
      return connectFaultServer(child.url);
    },
  };
}

async function command(url: string, name: string, args: readonly unknown[]): Promise<unknown> {
  // As text: no preflight is needed.
  const request = { method: 'POST', body: JSON.stringify(args) };
  const response = await fetch(`${url}${CONTROL_PREFIX}${name}`, request).catch((cause) => {
    throw new FaultServerError(`No fault server answers at ${url}`, { cause });
  });
  const text = await response.text();
  if (!response.ok) throw new FaultServerError(`${name}: ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}
