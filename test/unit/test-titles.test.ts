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
    if (isFast) {
      it('twelve', () => {});
    }
  `;
  expect([...testTitles(source)]).toEqual(['one', 'four of %s', 'eleven', 'twelve']);
});

it('finds nothing in a suite that is skipped, or may be', () => {
  const source = `
    describe.skip('none', () => {
      it('one', () => expect(')').toBe(')'));
      describe('of these', () => {
        it('two', () => {});
      });
    });
    it('three', () => {});
    describe.runIf(ENGINE === 'postgres')('nor of these', () => {
      it.each([1])('four %s', () => {});
    });
    describe.each([1]).skip('nor of these %s', () => {
      it('five', () => {});
    });
    describe.todo('six');
    describe.each([['a', 1]])('but of these %s', () => {
      it('seven', () => {});
    });
  `;
  expect([...testTitles(source)]).toEqual(['three', 'seven']);
});
