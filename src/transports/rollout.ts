/**
 * `bulkhead/rollout`: moves users from one backend to another, a share of them at a time.
 *
 * @module bulkhead/rollout
 */
import * as z from 'zod/mini';
import type { UploadError } from '../errors/upload-error.ts';
import { type Runtime, systemRuntime } from '../runtime/runtime.ts';
import type { UploadAdapter } from './adapter.ts';
import type { FallbackReason } from './direct-health.ts';
import { functionOption, parseOptions } from './option-shapes.ts';
import { RolloutWays } from './rollout-ways.ts';

/** Why uploads went on by the legacy way. */
export interface RolloutFallback {
  readonly reason: 'blocked' | 'unsupported';
  readonly error: UploadError;
}

const adapterOption = z.custom<UploadAdapter>(isAdapter, 'expected an adapter');

const optionsSchema = z.strictObject({
  /** How many of a hundred keys go the direct way, 0 to 100. Who is in stays in while it grows. */
  percent: z.number().check(z.minimum(0), z.maximum(100)),
  /** The user's or tenant's id: the same one always goes the same way. */
  key: z.string().check(z.minLength(1)),
  /** The adapter of the direct way. */
  direct: adapterOption,
  /** The adapter of the way of old, for everybody else. */
  legacy: adapterOption,
  /** Told once, when the direct way turned out not to work for this page. Default: nobody is. */
  onFallback: z.optional(functionOption<(fallback: RolloutFallback) => void>()),
});
/**
 * What `withRollout` takes.
 *
 * @interface
 */
export type RolloutOptions = z.input<typeof optionsSchema>;

/**
 * Where a key stands between 0 and 100: the same one in every browser and every release (FNV-1a, 32 bits,
 * with its bits mixed once more).
 */
export function rolloutShare(key: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(key)) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32) * 100;
}

/**
 * Moves users from one backend to another, a share of them at a time. A page whose direct way is blocked or
 * not there, before a PUT of its came through, goes on by the legacy way until it is reloaded. Every upload
 * stays with the adapter that granted it, also after a reload and when `percent` has changed; where the browser
 * keeps nothing, what neither adapter is seen to have is sent again.
 *
 * @throws OptionError at once, when an option is unknown or wrong
 */
export function withRollout(
  input: RolloutOptions,
  runtime: Runtime = systemRuntime(),
): UploadAdapter {
  const options = parseOptions('withRollout', optionsSchema, input);
  const { percent, key, direct, legacy } = options;
  const onFallback = (reason: FallbackReason, error: UploadError) => {
    try {
      options.onFallback?.({ reason, error });
    } catch (thrown) {
      runtime.reportError(thrown);
    }
  };
  const home = rolloutShare(key) < percent ? 'direct' : 'legacy';
  return new RolloutWays({ direct, legacy, home, runtime, onFallback }).asAdapter();
}

function isAdapter(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { capabilities, credentials, put, finalize } = value as Partial<UploadAdapter>;
  const methods = [credentials, put, finalize];
  return !!capabilities?.maxConcurrency && methods.every((each) => typeof each === 'function');
}
