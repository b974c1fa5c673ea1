/** The example has no accounts: a random id in a cookie, which `session.ts` reads. Do not ship this. */
export function visitorId(): string {
  const known = /(?:^|;\s*)visitor=([0-9a-f-]{36})/.exec(document.cookie)?.[1];
  if (known) return known;
  const id = crypto.randomUUID();
  // biome-ignore lint/suspicious/noDocumentCookie: not every browser has the Cookie Store API
  document.cookie = `visitor=${id}; path=/; max-age=31536000; samesite=lax`;
  return id;
}
