/**
 * Whose request this is. The example has no accounts: a random id in a cookie takes the place of your
 * session. Do not ship this.
 */
export function userOf(request: Request): string | null {
  const cookie = request.headers.get('cookie') ?? '';
  return /(?:^|;\s*)visitor=([0-9a-f-]{36})/.exec(cookie)?.[1] ?? null;
}
