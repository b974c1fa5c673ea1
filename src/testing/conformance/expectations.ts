import type { UploadError } from '../../errors/upload-error.ts';

/** An adapter does not do what the pipeline counts on. The message says what. */
export class ConformanceError extends Error {
  override readonly name = 'ConformanceError';
}

/** @throws ConformanceError with the sentence */
export function expectThat(isTrue: boolean, sentence: string): asserts isTrue {
  if (!isTrue) throw new ConformanceError(sentence);
}

/** Compares plain data. */
export function expectEqual(actual: unknown, expected: unknown, what: string): void {
  const [came, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
  expectThat(came === wanted, `${what}: expected ${wanted}, got ${came}`);
}

/** What a promise rejects with; it must be an `UploadError`, by name: there may be two copies. */
export async function rejectionOf(promise: Promise<unknown>, what: string): Promise<UploadError> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    expectThat(
      error instanceof Error && error.name === 'UploadError' && 'action' in error,
      `${what}: rejected with something that is no UploadError: ${String(error)}`,
    );
    return error as UploadError;
  }
  throw new ConformanceError(
    `${what}: expected a rejection, got ${JSON.stringify(value)?.slice(0, 80)}`,
  );
}

/** Asks until it is so. */
export async function eventually(
  isSo: () => boolean | Promise<boolean>,
  what: string,
  withinMs = 5_000,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await isSo())) {
    expectThat(performance.now() < deadline, `Within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
