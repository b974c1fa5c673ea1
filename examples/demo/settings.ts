import path from 'node:path';

const ROOT = path.resolve(import.meta.dirname, '../..');

/** 100 MB: beyond any photo, and what the server kit takes by default. */
const DEFAULT_MAX_FILE_BYTES = 100 * 1024 * 1024;

/** What the environment says of the demo. */
export interface Settings {
  /** `PORT`, default 3000; 0 takes any free port. */
  readonly port: number;
  /** `STORE_PORT`, default the one after `PORT`. */
  readonly storePort: number;
  /** `BULKHEAD_DIR`, default `.bulkhead` in the repository. */
  readonly dataDir: string;
  /** The same, as it is shown. */
  readonly dataDirShown: string;
  /** `BULKHEAD_MAX_FILE_BYTES`, default 100 MB. */
  readonly maxFileBytes: number;
  /** `BULKHEAD_RATE_CAPACITY` and `BULKHEAD_RATE_PER_MINUTE`, default the server kit's. */
  readonly rateLimit: { readonly rateLimitCapacity?: number; readonly rateLimitPerMinute?: number };
}

/** A variable of the environment does not fit; the message names it. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

/** @throws {SettingsError} */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const port = integer(env, 'PORT', 3000, 65_535);
  const dataDir = env.BULKHEAD_DIR ? path.resolve(env.BULKHEAD_DIR) : path.join(ROOT, '.bulkhead');
  const relative = path.relative(ROOT, dataDir);
  return {
    port,
    storePort: integer(env, 'STORE_PORT', port === 0 ? 0 : port + 1, 65_535),
    dataDir,
    dataDirShown: relative === '' || relative.startsWith('..') ? dataDir : relative,
    maxFileBytes: integer(
      env,
      'BULKHEAD_MAX_FILE_BYTES',
      DEFAULT_MAX_FILE_BYTES,
      Number.MAX_SAFE_INTEGER,
    ),
    rateLimit: {
      ...optional(env, 'BULKHEAD_RATE_CAPACITY', 'rateLimitCapacity'),
      ...optional(env, 'BULKHEAD_RATE_PER_MINUTE', 'rateLimitPerMinute'),
    },
  };
}

function optional(env: NodeJS.ProcessEnv, name: string, option: string): Record<string, number> {
  return env[name] ? { [option]: integer(env, name, 0, Number.MAX_SAFE_INTEGER) } : {};
}

function integer(env: NodeJS.ProcessEnv, name: string, fallback: number, most: number): number {
  const text = env[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= most) return value;
  throw new SettingsError(`${name} is "${text}": expected a whole number from 0 to ${most}`);
}
