import * as z from 'zod/mini';
import { toOptionError } from '../errors/option-error.ts';
import type { UploadAdapter } from './adapter.ts';

/** A function among an adapter's options. */
export function functionOption<T>() {
  return z.custom<T>((value) => typeof value === 'function', 'expected a function');
}

/**
 * Asked before every request, for a bearer token that changes.
 *
 * @inline
 */
export type HeadersOption = () => Record<string, string> | Promise<Record<string, string>>;

export type FinalizeOption = UploadAdapter['finalize'];

export const positiveInt = z.int().check(z.minimum(1));

/** @throws OptionError about the first option that is unknown or wrong */
export function parseOptions<T extends z.ZodMiniType>(
  name: string,
  schema: T,
  input: unknown,
): z.output<T> {
  const parsed = schema.safeParse(input);
  if (!parsed.success) throw toOptionError(name, parsed.error);
  return parsed.data;
}
