import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { describeFailure } from '../../src/errors/describe-failure.ts';
import { classifyCode, toUploadError, UploadError } from '../../src/errors/upload-error.ts';
import { problemCodes } from '../../src/protocol/index.ts';

describe('errors', () => {
  const rows = readFileSync(`${import.meta.dirname}/../../docs/errors.md`, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| <a id='));

  it('are documented as they are classified, each with its anchor', () => {
    for (const row of rows) {
      const [, first = '', , , kind = '', action = ''] = row.split('|').map((cell) => cell.trim());
      const code = /`([a-z_]+)`/.exec(first)?.[1] ?? '';
      expect(first).toContain(`id="${code}"`);
      expect(classifyCode(code as 'internal'), code).toEqual({ kind, action });
    }
  });

  it('of the wire are all documented', () => {
    for (const code of problemCodes)
      expect(rows.some((row) => row.includes(`\`${code}\``))).toBe(true);
  });

  it('become plain data without their cause', () => {
    const error = new UploadError('internal', 'boom', { status: 500, cause: new Error('secret') });
    expect(structuredClone(error.toFailure())).toEqual({
      code: 'internal',
      kind: 'server',
      message: 'boom',
      status: 500,
    });
  });

  it('wrap whatever was thrown, once', () => {
    const error = new UploadError('stalled', 'still');
    expect(toUploadError(error)).toBe(error);
    expect(toUploadError('text')).toMatchObject({ code: 'unexpected', message: 'text' });
  });

  it('of a used-up daily quota end the upload in the server’s own words, which say when', () => {
    const detail = 'At most 10 files a day are taken. More can be added in 9 hours';
    const error = new UploadError('quota_exceeded', detail);
    expect(error).toMatchObject({ kind: 'rate_limit', action: 'permanent', isRetryable: false });
    expect(describeFailure(error.toFailure())).toBe(detail);
  });

  it('are put in words that say what to do, or in their own', () => {
    expect(describeFailure({ code: 'svg_refused', message: 'x' })).toContain('PNG');
    expect(describeFailure({ code: 'file_too_large', message: 'The file has 3 GB.' })).toBe(
      'The file has 3 GB.',
    );
  });
});
