/** A client did not do what it was asked. */
export class RunError extends Error {
  override readonly name = 'RunError';
}

/**
 * POSTs and reads the answer.
 *
 * @throws RunError when the answer is no success
 */
export async function postJson<T>(url: string, value: unknown): Promise<T> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(value),
  });
  if (!response.ok) throw new RunError(`${url} answered ${response.status}`);
  return (await response.json()) as T;
}
