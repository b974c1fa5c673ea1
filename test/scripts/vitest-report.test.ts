import { describe, expect, it } from 'vitest';
import { countsOf, filesWithFailures, secondTry } from '../../scripts/vitest-report.mjs';

const test = (fullName: string, status: 'passed' | 'failed' = 'passed') => ({ fullName, status });

function report(files: Record<string, ReturnType<typeof test>[] | 'broken'>) {
  const testResults = Object.entries(files).map(([name, tests]) => ({
    name,
    status:
      tests === 'broken' || tests.some(({ status }) => status === 'failed') ? 'failed' : 'passed',
    assertionResults: tests === 'broken' ? [] : tests,
  }));
  const all = testResults.flatMap(({ assertionResults }) => assertionResults);
  const count = (status: string) => all.filter((one) => one.status === status).length;
  const counts = { numPassedTests: count('passed'), numFailedTests: count('failed') };
  return { ...counts, numPendingTests: 0, numTodoTests: 0, testResults };
}

const ran = (of: ReturnType<typeof report>, code = 0) => ({
  report: of,
  counts: countsOf(of, code),
});

const GREEN = report({ '/project/test/a.test.ts': [test('a one'), test('a two')] });
const RED = report({
  '/project/test/a.test.ts': [test('a one'), test('a two', 'failed')],
  '/project/test/b.test.ts': 'broken',
  '/project/test/c.test.ts': [test('c')],
});

describe('what Vitest reports', () => {
  it('is counted: tests, and files that could not be read', () => {
    expect(countsOf(GREEN, 0)).toEqual({ passed: 2, failed: 0, skipped: 0 });
    expect(countsOf(RED, 1)).toEqual({ passed: 2, failed: 2, skipped: 0 });
  });

  it('is red without a report, and with an error outside every test', () => {
    expect(countsOf(undefined, 0).failed).toBe(1);
    expect(countsOf(GREEN, 1).failed).toBe(1);
  });

  it('names the files to run once more', () => {
    expect(filesWithFailures(RED, '/project')).toEqual(['test/a.test.ts', 'test/b.test.ts']);
    expect(filesWithFailures(GREEN, '/project')).toEqual([]);
    expect(filesWithFailures(undefined, '/project')).toEqual([]);
  });
});

describe('a second try', () => {
  it('that passes names what did not at first', () => {
    expect(secondTry(ran(RED, 1), ran(GREEN))).toEqual({
      passed: 4,
      failed: 0,
      skipped: 0,
      passedAgain: ['a.test.ts: a two', 'b.test.ts'],
    });
  });

  it('that fails, in whatever way, changes nothing', () => {
    for (const again of [
      ran(RED, 1),
      ran(GREEN, 1),
      { report: undefined, counts: countsOf(undefined, 1) },
    ]) {
      expect(secondTry(ran(RED, 1), again)).toEqual({ passed: 2, failed: 2, skipped: 0 });
    }
  });
});
