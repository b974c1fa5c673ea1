/** What a report of Vitest (`--reporter=json`) says. */
import path from 'node:path';

/** More files than these with failures are no accident of a full machine. */
export const MOST_FILES_AGAIN = 6;

/** How many tests passed, failed and were skipped; a run that broke off or found no file failed. */
export function countsOf(report, exitCode) {
  if (!report) return { passed: 0, failed: 1, skipped: 0 };
  const failed = report.numFailedTests + report.testResults.filter(isBrokenFile).length;
  return {
    passed: report.numPassedTests,
    // An error outside every test also fails the run.
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** Files with a failed test, or that could not be read, as paths from `root`. */
export function filesWithFailures(report, root) {
  const failed = (report?.testResults ?? []).filter(({ status }) => status === 'failed');
  return [...new Set(failed.map(({ name }) => path.relative(root, name)))].sort();
}

/** The counts of both runs together: what failed in the first counts as the second says. */
export function secondTry(first, again) {
  const { passed, failed, skipped } = first.counts;
  if (again.counts.failed > 0) return first.counts;
  return { passed: passed + failed, failed: 0, skipped, passedAgain: failedTests(first.report) };
}

/** Failed before a test of its own could. */
function isBrokenFile({ status, assertionResults }) {
  return status === 'failed' && assertionResults.every((test) => test.status !== 'failed');
}

function failedTests({ testResults }) {
  return testResults.flatMap((file) =>
    isBrokenFile(file)
      ? [path.basename(file.name)]
      : file.assertionResults
          .filter(({ status }) => status === 'failed')
          .map(({ fullName }) => `${path.basename(file.name)}: ${fullName}`),
  );
}
