import { expect, it } from 'vitest';
import { testTitles } from '../support/test-titles.ts';

it('finds what is run, and nothing that only looks like a test', () => {
  const source = `
    // it was 'a comment'
    const name = 'a string';
    it('one', () => {});
    test.skip('two', () => {});
    it.todo('three');
    it.each([
      ['a ) bracket', () => f(1)],
    ])('four of %s', (_) => {});
    test.runIf(process.platform === 'linux')('five', async () => {});
    it.skipIf(isSlow).each<[string, number]>([['a', 1]])(
      'six %s',
      { timeout: 10 },
      () => {},
    );
    it.each(cases).skip('seven', () => {});
    emit('eight', 'nine');
    describe('ten', () => {});
    it.concurrent('eleven', () => {});
  `;
  expect([...testTitles(source)]).toEqual(['one', 'four of %s', 'five', 'six %s', 'eleven']);
});
