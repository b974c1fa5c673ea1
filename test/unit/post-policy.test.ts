import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type FormFields, refusalOf, signatureOf } from '../support/post-policy.ts';

/** The example of the S3 API reference, "Browser-Based Upload using HTTP POST". */
const EXAMPLE = {
  policy:
    'eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9',
  signature: '8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e',
  key: {
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    date: '20151229',
    region: 'us-east-1',
  },
} as const;
const KEYS = {
  bucket: 'sigv4examplebucket',
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: EXAMPLE.key.secretAccessKey,
};
const BEFORE_ITS_END = Date.parse('2015-12-30T11:59:59Z');
const FORM: FormFields = [
  ['key', 'user/user1/photo.jpg'],
  ['acl', 'public-read'],
  ['success_action_redirect', 'http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html'],
  ['Content-Type', 'image/jpeg'],
  ['x-amz-meta-uuid', '14365123651274'],
  ['x-amz-server-side-encryption', 'AES256'],
  ['X-Amz-Credential', 'AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request'],
  ['X-Amz-Algorithm', 'AWS4-HMAC-SHA256'],
  ['X-Amz-Date', '20151229T000000Z'],
  ['x-amz-meta-tag', ''],
  ['Policy', EXAMPLE.policy],
  ['X-Amz-Signature', EXAMPLE.signature],
];
const BYTES = new TextEncoder().encode('a photo');

const judge = (fields: FormFields, nowMs = BEFORE_ITS_END) =>
  refusalOf({ fields, bytes: BYTES }, KEYS, nowMs);
const withField = (name: string, value: string): FormFields => [
  ...FORM.filter(([known]) => known !== name),
  [name, value],
];

/** A form of one's own, by the example's keys. */
function signed(conditions: readonly unknown[], fields: FormFields): FormFields {
  const credential = 'AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request';
  const scope: FormFields = [
    ['x-amz-credential', credential],
    ['x-amz-date', '20151229T000000Z'],
  ];
  const json = JSON.stringify({
    expiration: '2015-12-30T12:00:00.000Z',
    conditions: [...conditions, ...scope.map((pair) => Object.fromEntries([pair]))],
  });
  const policy = Buffer.from(json).toString('base64');
  const signature = signatureOf(policy, EXAMPLE.key);
  return [...fields, ...scope, ['policy', policy], ['x-amz-signature', signature]];
}

describe('the judge of forms that stands in for S3', () => {
  it('takes the example of S3’s documentation, signature and all', () => {
    expect(signatureOf(EXAMPLE.policy, EXAMPLE.key)).toBe(EXAMPLE.signature);
    expect(judge(FORM)).toBeUndefined();
  });

  it.each([
    ['another key', withField('key', 'user/user2/photo.jpg')],
    ['another type', withField('Content-Type', 'text/html')],
    ['another value', withField('acl', 'public-read-write')],
    ['a field that the policy does not name', withField('x-amz-website-redirect-location', '/')],
    ['another day', withField('X-Amz-Date', '20151230T000000Z')],
    ['another user', withField('X-Amz-Credential', 'OTHER/20151229/us-east-1/s3/aws4_request')],
    ['no policy', withField('Policy', '')],
  ])('refuses a form with %s', (_, fields) => {
    expect(judge(fields)).toMatchObject({ status: 403, code: 'AccessDenied' });
  });

  it('refuses another signature, and a policy that has ended', () => {
    const other = EXAMPLE.signature.replace('8', '9');
    expect(judge(withField('X-Amz-Signature', other))?.code).toBe('SignatureDoesNotMatch');
    expect(judge(FORM, Date.parse('2015-12-30T12:00:00Z'))?.message).toContain('expired');
  });

  it('holds the length and the checksum against the bytes', () => {
    const checksum = createHash('sha256').update(BYTES).digest('base64');
    const formOf = (least: number, most: number, sha256: string) =>
      signed(
        [
          ['content-length-range', least, most],
          ['eq', '$x-amz-checksum-sha256', sha256],
        ],
        [['x-amz-checksum-sha256', sha256]],
      );
    expect(judge(formOf(7, 7, checksum))).toBeUndefined();
    expect(judge(formOf(8, 8, checksum))?.code).toBe('EntityTooSmall');
    expect(judge(formOf(1, 6, checksum))?.code).toBe('EntityTooLarge');
    const other = createHash('sha256').update('another').digest('base64');
    expect(judge(formOf(7, 7, other))).toMatchObject({ status: 400, code: 'BadDigest' });
  });
});
