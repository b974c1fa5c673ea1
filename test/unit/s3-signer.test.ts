import { AwsV4Signer } from 'aws4fetch';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeUri } from '../../src/transports/encode-uri.ts';
import { type RequestToSign, signS3Request } from '../../src/transports/s3-signer.ts';

const NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** The example of Amazon's documentation. */
const example = {
  url: 'https://examplebucket.s3.amazonaws.com/test.txt',
  method: 'GET',
  headers: {},
  bodyChecksum: NOTHING,
  region: 'us-east-1',
  keys: {
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  },
  atMs: Date.UTC(2013, 4, 24),
} satisfies RequestToSign;

/** As another signer signs it. */
async function signedByAws4fetch(request: RequestToSign): Promise<Record<string, string>> {
  const { url, method, headers, bodyChecksum, region, keys, atMs } = request;
  const { accessKeyId, secretAccessKey, sessionToken } = keys;
  const signer = new AwsV4Signer({
    ...{ url, method, region, service: 's3', accessKeyId, secretAccessKey, allHeaders: true },
    ...(sessionToken === undefined ? {} : { sessionToken }),
    headers: { ...headers, 'x-amz-content-sha256': bodyChecksum },
    datetime: new Date(atMs).toISOString().replace(/[:-]|\.\d{3}/g, ''),
  });
  return Object.fromEntries((await signer.sign()).headers);
}

describe('signatures of S3 requests', () => {
  it.each([
    [
      'an object read in part',
      { headers: { Range: 'bytes=0-9' } },
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    ],
    [
      'an object written',
      {
        ...{ method: 'PUT', url: 'https://examplebucket.s3.amazonaws.com/test%24file.text' },
        headers: {
          Date: 'Fri, 24 May 2013 00:00:00 GMT',
          'x-amz-storage-class': 'REDUCED_REDUNDANCY',
        },
        bodyChecksum: '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
      },
      '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
    ],
    [
      'a query without a value',
      { url: 'https://examplebucket.s3.amazonaws.com/?lifecycle=' },
      'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
    ],
    [
      'a query, in any order',
      { url: 'https://examplebucket.s3.amazonaws.com/?prefix=J&max-keys=2' },
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    ],
  ])('are those of Amazon’s documentation: %s', async (_, change, signature) => {
    const { authorization } = await signS3Request({ ...example, ...change });
    expect(authorization).toContain(`Signature=${signature}`);
  });

  it('are those that aws4fetch makes, whatever is signed', async () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 });
    const token = fc.stringMatching(/^[\w+/=-]{1,40}$/);
    const name = fc.stringMatching(/^[a-zA-Z][\w-]{0,15}$/).filter((it) => !/^host$/i.test(it));
    const value = fc.stringMatching(/^[ -~]{0,20}$/);
    const requests = fc.record({
      endpoint: fc.constantFrom(
        'https://bucket.s3.eu-central-1.amazonaws.com',
        'http://localhost:9000/bucket',
        'https://host.example/storage/v1/s3/my (bucket)',
      ),
      key: fc.array(text, { minLength: 1, maxLength: 4 }),
      query: fc.dictionary(fc.constantFrom('uploads', 'uploadId', 'partNumber'), text),
      headers: fc.dictionary(name, value, { maxKeys: 5 }),
      secretAccessKey: token,
      sessionToken: fc.option(token, { nil: undefined }),
      atMs: fc.integer({ min: 0, max: Date.UTC(2100, 0) }),
    });
    await fc.assert(
      fc.asyncProperty(requests, async ({ endpoint, key, query, headers, atMs, ...keys }) => {
        const path = key.map(encodeUri).join('/');
        const pairs = Object.entries(query).map(([item, of]) => `${item}=${encodeUri(of)}`);
        const request: RequestToSign = {
          ...{ method: 'PUT', headers, bodyChecksum: NOTHING, region: 'auto', atMs },
          url: `${endpoint}/${path}?${pairs.join('&')}`,
          keys: { accessKeyId: 'AKIA', ...keys },
        };
        expect(await signS3Request(request)).toEqual(await signedByAws4fetch(request));
      }),
    );
  });
});
