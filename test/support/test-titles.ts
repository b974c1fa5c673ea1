/**
 * The titles of the tests of a file that run: of calls, not of what merely looks like one. What is skipped
 * does not count, by itself or with its suite, nor what a condition may skip (`runIf`, `skipIf`): tests that
 * cannot run everywhere stand in an `if` of their own.
 */
export function testTitles(source: string): Set<string> {
  const titles = new Set<string>();
  let skippedTo = 0;
  for (const { name, at } of calls(source)) {
    if (at < skippedTo) continue;
    const isSuite = /^(?:describe|suite)/.test(name);
    if (/\.(?:skip|todo|runIf|skipIf)\b/.test(name)) {
      // All that stands in it, up to its closing bracket.
      if (isSuite) skippedTo = endOf(source, at - 1, '(', ')');
      continue;
    }
    if (isSuite) continue;
    const [, title] = /^\s*'((?:[^'\\\n]|\\.)*)'/.exec(source.slice(at)) ?? [];
    if (title !== undefined) titles.add(title);
  }
  return titles;
}

/** Of each call of `it`, `test` or a suite: its name with what hangs on it, and where its arguments begin. */
function* calls(source: string): Generator<{ name: string; at: number }> {
  const start = /(?<![\w.'"`])(?:it|test|describe|suite)((?:\.\w+)*)(?=[(<`])/g;
  for (const match of source.matchAll(start)) {
    let name = match[0];
    let at = match.index + name.length;
    // `.each([…])('title'`, `.runIf(condition)('title'`, and chains of them.
    while (/\.(?:each|for|runIf|skipIf)$/.test(name)) {
      if (source[at] === '<') at = endOf(source, at, '<', '>');
      at = endOf(source, at, '(', ')');
      const [more = ''] = /^(?:\.\w+)*/.exec(source.slice(at)) ?? [];
      name += more === '' ? '()' : `()${more}`;
      at += more.length;
    }
    if (source[at] === '(') yield { name, at: at + 1 };
  }
}

/** Where the bracket that opens at a place is closed; what stands in strings does not count. */
function endOf(source: string, from: number, open: string, close: string): number {
  let depth = 0;
  for (let at = from; at < source.length; at++) {
    const char = source[at] ?? '';
    if (char === "'" || char === '"' || char === '`') {
      for (at++; at < source.length && source[at] !== char; at++) if (source[at] === '\\') at++;
    } else if (source.startsWith('//', at)) {
      at = source.indexOf('\n', at);
      if (at < 0) return source.length;
    } else if (char === open) depth++;
    else if (char === close && source[at - 1] !== '=' && --depth === 0) return at + 1;
  }
  return source.length;
}
