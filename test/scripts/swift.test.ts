import { afterEach, describe, expect, it, vi } from 'vitest';
import { ServiceError } from '../../scripts/services.mjs';
import { ensureSwift, findOrStartS3, parseS3Url, s3Url } from '../../scripts/swift.mjs';

describe('the S3 server of the tests', () => {
  afterEach(() => vi.unstubAllEnvs());

  it('reads keys, region and endpoint from one URL', () => {
    expect(parseS3Url('https://key%3Aid:se%2Fcret@s3.example:9000/?region=auto')).toEqual({
      endpoint: 'https://s3.example:9000',
      region: 'auto',
      accessKeyId: 'key:id',
      secretAccessKey: 'se/cret',
      isSwift: false,
    });
    expect(parseS3Url('http://a:b@127.0.0.1:9000').region).toBe('us-east-1');
  });

  it.each([true, false])('gives a URL that says the same (Swift: %s)', (isSwift) => {
    const service = {
      endpoint: 'http://127.0.0.1:9000',
      region: 'us-east-1',
      accessKeyId: 'test:tester',
      secretAccessKey: 'a/secret+of%@',
      isSwift,
    };
    expect(parseS3Url(s3Url(service))).toEqual(service);
  });

  it('refuses a URL without keys, without repeating it', () => {
    for (const text of ['https://s3.example', 'https://onlykey@s3.example', 'nonsense']) {
      expect(() => parseS3Url(text)).toThrow(ServiceError);
      expect(() => parseS3Url(text)).toThrow(/BULKHEAD_TEST_S3 must be a URL with keys/);
    }
    expect(() => parseS3Url('https://onlykey@s3.example')).not.toThrow(/onlykey/);
  });

  it('takes the server that BULKHEAD_TEST_S3 names, and installs nothing then', async () => {
    vi.stubEnv('BULKHEAD_TEST_S3', 'http://key:secret@127.0.0.1:1');
    const { stop, ...service } = await findOrStartS3();
    expect(service).toMatchObject({ endpoint: 'http://127.0.0.1:1', isSwift: false });
    await stop();
    const step = vi.fn();
    await ensureSwift(step);
    expect(step).not.toHaveBeenCalled();
  });
});
