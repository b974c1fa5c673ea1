/** What a person pressed may cost the page so much at a time. */
const SLICE_MS = 12;

/** Retries many uploads without freezing the page: ten thousand are a second's work. */
export async function retryInSlices(
  ids: readonly string[],
  retry: (id: string) => boolean,
): Promise<number> {
  let retried = 0;
  let endMs = performance.now() + SLICE_MS;
  for (const id of ids) {
    if (retry(id)) retried += 1;
    if (performance.now() < endMs) continue;
    await new Promise((resolve) => setTimeout(resolve));
    endMs = performance.now() + SLICE_MS;
  }
  return retried;
}
