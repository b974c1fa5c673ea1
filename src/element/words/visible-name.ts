/**
 * Characters that a file name may hold but that draw nothing, break the line, or turn the reading
 * direction: C0 and C1 controls, zero-width characters, line separators, bidi marks and overrides,
 * tags. `invoice\u202Egpj.exe` would otherwise read as `invoiceexe.jpg`. The zero-width joiner stays:
 * many emoji are made with it.
 */
const invisible =
  /[\p{Cc}\u00ad\u061c\u115f\u1160\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0001}]/gu;

/** A file name as a person may safely read it: every invisible character is named, `⟨U+202E⟩`. */
export function visibleName(name: string): string {
  const shown = name.replace(invisible, describe);
  return shown.trim() === '' ? `“${shown}”` : shown;
}

function describe(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  // U+2400 to U+241F are pictures of the C0 controls; they are too small to read, so words for two.
  if (code === 0x0a) return '⟨newline⟩';
  if (code === 0x09) return '⟨tab⟩';
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
}
