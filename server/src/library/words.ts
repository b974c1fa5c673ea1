/**
 * The words of a name, a path or a query: lower case, NFC, split at everything that is not a
 * letter or a digit and between letters and digits, so that `IMG_2034.jpg` is found by `img` and
 * by `2034`. Only letters, marks and digits come out: safe to build a tsquery from.
 */
export function wordsOf(text: string): string[] {
  return (
    text
      .normalize('NFC')
      .toLowerCase()
      .match(/\p{L}[\p{L}\p{M}]*|\p{N}+/gu) ?? []
  );
}

/** Longest stored form: a tsvector takes words up to 2 KB, and names are at most 1 KB. */
export function searchWordsOf(filename: string, path: string | null): string {
  return [...new Set(wordsOf(path === null ? filename : `${path} ${filename}`))].join(' ');
}

/**
 * A tsquery: every word must begin a stored word, which has `mark` before it. Undefined when there is no
 * word in the text.
 */
export function prefixTsquery(text: string, mark = ''): string | undefined {
  const words = [...new Set(wordsOf(text))].slice(0, 20);
  return words.length === 0 ? undefined : words.map((word) => `'${mark}${word}':*`).join(' & ');
}
