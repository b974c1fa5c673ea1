/**
 * `Content-Disposition: attachment` for any name at all (RFC 6266 with RFC 8187's `filename*`).
 * The plain `filename` is for clients that know no better: printable ASCII only, nothing that
 * could end the quoted string or the header.
 */
export function attachment(name: string): string {
  const ascii = name.replace(/[^\x20-\x7e]/gu, '_').replace(/["\\%/;]/g, '_');
  const encoded = encodeURIComponent(name.replace(/\p{Surrogate}/gu, '\ufffd')).replace(
    // RFC 8187's attr-char leaves these out, encodeURIComponent does not.
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
