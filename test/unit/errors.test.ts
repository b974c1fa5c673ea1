import { describe, expect, it } from 'vitest';
import { describeFailure } from '../../src/errors/describe-failure.ts';
import { toUploadError, UploadError } from '../../src/errors/upload-error.ts';

describe('errors', () => {
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
