/** The value, or undefined when the text is not JSON: an answer that is not ours is no exception. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
