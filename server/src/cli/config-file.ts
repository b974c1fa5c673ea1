import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as z from 'zod';
import { type Config, configSchema, OptionsError } from '../config.ts';

/** What `bulkhead.config.ts` exports by default. The identity; it is there for its types. */
export function defineConfig(config: Config): Config {
  return config;
}

const NAMES = ['bulkhead.config.ts', 'bulkhead.config.mjs', 'bulkhead.config.js'];

/**
 * Reads the configuration: the file that is named, or the one that lies in the working directory, or an
 * empty one.
 * @throws {OptionsError} that names the file and what does not fit
 */
export async function readConfigFile(
  named: string | undefined,
): Promise<z.output<typeof configSchema>> {
  const file = named ?? NAMES.find((name) => existsSync(name));
  if (file === undefined) return configSchema.parse({});
  const absolute = path.resolve(file);
  if (!existsSync(absolute)) throw new OptionsError(`There is no configuration file ${file}`);
  let exported: unknown;
  try {
    ({ default: exported } = await import(pathToFileURL(absolute).href));
  } catch (cause) {
    throw new OptionsError(`${file} cannot be loaded: ${messageOf(cause)}`, { cause });
  }
  if (exported === undefined) {
    throw new OptionsError(`${file} has no default export: export default defineConfig({ … })`);
  }
  const parsed = configSchema.safeParse(exported);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new OptionsError(`${file} does not fit: ${lines.join('; ')}`);
}

const messageOf = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause));
