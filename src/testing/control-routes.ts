import type { IncomingMessage, ServerResponse } from 'node:http';
import { COMMAND_NAMES, CONTROL_PREFIX, type FaultServerCommands } from './commands.ts';

/** What can be called from outside besides the commands. */
export interface ControlExtras {
  address(): unknown;
  spawn(options: unknown): Promise<unknown>;
}

/**
 * Answers a control request. These are never recorded and no fault meets them; any page may send them,
 * because the server listens on loopback only and holds nothing but test data.
 */
export async function answerControl(
  request: IncomingMessage,
  response: ServerResponse,
  commands: FaultServerCommands,
  extras: ControlExtras,
): Promise<void> {
  response.setHeader('access-control-allow-origin', '*');
  response.setHeader('access-control-allow-headers', '*');
  const name = new URL(request.url ?? '/', 'http://control').pathname.slice(CONTROL_PREFIX.length);
  try {
    const received: Uint8Array[] = [];
    for await (const chunk of request) received.push(chunk as Uint8Array);
    if (request.method === 'OPTIONS') {
      response.writeHead(204).end();
      return;
    }
    const body = Buffer.concat(received).toString('utf8');
    const value = await call(name, body === '' ? [] : JSON.parse(body), commands, extras);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(value === undefined ? '' : JSON.stringify(value));
  } catch (error) {
    response.writeHead(400, { 'content-type': 'text/plain; charset=utf-8' });
    response.end(error instanceof Error ? error.message : String(error));
  }
}

function call(
  name: string,
  args: unknown,
  commands: FaultServerCommands,
  extras: ControlExtras,
): unknown {
  if (!Array.isArray(args)) throw new TypeError('expected a JSON array of arguments');
  // JSON has no undefined: a left-out argument arrives as null.
  const given = args.map((value) => (value === null ? undefined : value));
  if (name === 'address') return extras.address();
  if (name === 'spawn') return extras.spawn(given[0]);
  const known = COMMAND_NAMES.find((candidate) => candidate === name);
  if (known === undefined) throw new TypeError(`there is no command ${name}`);
  return (commands[known] as (...values: unknown[]) => unknown)(...given);
}
