import type { z } from 'zod/mini';

/** A wrong option: names its path, what was expected and what came. Thrown at once, never later. */
export class OptionError extends TypeError {
  override readonly name = 'OptionError';
  /** Path of the option, such as `restrictions.maxFileSizeBytes`. */
  readonly option: string;

  constructor(option: string, message: string) {
    super(`${option}: ${message}`);
    this.option = option;
  }
}

/** Turns a failed schema check of `subject` into an {@link OptionError} about its first issue. */
export function toOptionError(subject: string, error: z.core.$ZodError): OptionError {
  const issue = error.issues[0];
  const path = [subject, ...(issue?.path ?? [])].map(String).join('.');
  if (issue?.code === 'unrecognized_keys') {
    return new OptionError(`${path}.${issue.keys[0]}`, 'there is no such option');
  }
  return new OptionError(path, issue?.message ?? 'is not valid');
}
