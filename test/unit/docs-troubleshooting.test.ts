import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { classifyCode, type UploadErrorCode } from '../../src/errors/upload-error.ts';
import { PROBLEMS, problemCodes } from '../../src/protocol/index.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(`${root}/${path}`, 'utf8');

const OWNERS = ['person', 'page', 'server', 'store', 'network', 'nobody'];

/** The browser's own codes: their table is private to the module that reads it. */
const localCodes = () => {
  const [, table = ''] =
    /const LOCAL_CODES = \{(.*?)\n\}/s.exec(read('src/errors/upload-error.ts')) ?? [];
  return [...table.matchAll(/^ {2}(\w+):/gm)].map(([, code]) => code as UploadErrorCode);
};

/** Code, its line of facts, and what is said of it. */
const sections =
  read('docs/troubleshooting.md')
    .split('\n## By code\n')[1]
    ?.split(/^### /m)
    .slice(1)
    .map((section) => {
      const [code = '', facts = '', ...text] = section.split('\n').filter((line) => line !== '');
      return { code, facts: facts.split(' · '), text: text.join(' ') };
    }) ?? [];

describe('docs/troubleshooting.md', () => {
  it('has one heading for each code of the wire and of the browser, and for nothing else', () => {
    const codes = [...problemCodes, ...localCodes()];
    expect(localCodes()).toContain('network_failed');
    expect(sections.map(({ code }) => code).toSorted()).toEqual(codes.toSorted());
  });

  it.each(sections)(
    'says of $code what the tables say: status, kind and action',
    ({ code, facts }) => {
      const { kind, action } = classifyCode(code as UploadErrorCode);
      const wire = (PROBLEMS as Record<string, { status: number }>)[code];
      expect(facts.slice(0, 3)).toEqual([wire ? String(wire.status) : 'no status', kind, action]);
    },
  );

  it.each(sections)('says of $code whose it is, and what to do', ({ facts, text }) => {
    for (const owner of (facts[3] ?? '').split(', ')) expect(OWNERS).toContain(owner);
    expect(text.length).toBeGreaterThan(20);
  });

  it('leans on docs/errors.md, which explains every kind and action', () => {
    const table = read('docs/errors.md');
    for (const { facts } of sections) {
      expect(table).toContain(`| \`${facts[1]}\` |`);
      expect(table).toContain(`| \`${facts[2]}\` |`);
    }
  });
});
