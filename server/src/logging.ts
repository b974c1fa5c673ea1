import { pino } from 'pino';

/** What the server kit needs of a logger: pino's call shape. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/**
 * Structured JSON lines on stdout. Nothing the kit logs holds a query string, a signature, or a
 * file name above debug level.
 */
export function createLogger(level: 'debug' | 'info' | 'warn' | 'error' = 'info'): Logger {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime });
}

/** Says nothing. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
};
