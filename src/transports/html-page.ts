/**
 * Whether a successful answer is a page for people: a captive portal's or a proxy's. By the text itself,
 * because some stores call their empty answer text/html.
 */
export function isHtmlPage(body: string): boolean {
  return /^\s*<(!doctype\s+html|html|head|body|h1|title)\b/i.test(body);
}
