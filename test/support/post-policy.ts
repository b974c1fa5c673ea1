import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** A form as it came: names and values in their order, without the file. */
export type FormFields = readonly (readonly [name: string, value: string])[];

export interface PostedForm {
  readonly fields: FormFields;
  readonly bytes: Uint8Array;
}

export interface PolicyKeys {
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Why a store refuses a form. */
export interface PolicyRefusal {
  readonly status: 400 | 403;
  readonly code: string;
  readonly message: string;
}

type Condition = Readonly<Record<string, string>> | readonly [string, string | number, unknown];

/** Fields that no condition has to name. */
const UNNAMED = new Set(['policy', 'x-amz-signature', 'bucket']);

/**
 * What S3 asks of a form before it stores it (API reference, "Creating an HTML form (using AWS Signature Version
 * 4)"): the signature of the policy, its end, each of its conditions, no field that it does not name, the
 * length, and the checksum.
 *
 * @returns undefined when it may be stored
 */
export function refusalOf(
  { fields, bytes }: PostedForm,
  { bucket, accessKeyId, secretAccessKey }: PolicyKeys,
  nowMs: number,
): PolicyRefusal | undefined {
  const values = new Map(fields.map(([name, value]) => [name.toLowerCase(), value]));
  const field = (name: string) => (name === 'bucket' ? bucket : (values.get(name) ?? ''));
  const policy = field('policy');
  const [keyId, date = '', region = '', service] = field('x-amz-credential').split('/');
  if (policy === '') return denied('The form has no policy');
  if (keyId !== accessKeyId || service !== 's3') return denied('The key is not known');
  if (!field('x-amz-date').startsWith(date) || date === '') return denied('The dates differ');
  const signature = signatureOf(policy, { secretAccessKey, date, region });
  if (!isSame(signature, field('x-amz-signature'))) {
    return { status: 403, code: 'SignatureDoesNotMatch', message: 'The signature is another' };
  }

  const { expiration, conditions } = JSON.parse(Buffer.from(policy, 'base64').toString()) as {
    expiration: string;
    conditions: readonly Condition[];
  };
  if (!(Date.parse(expiration) > nowMs))
    return denied('Invalid according to Policy: Policy expired');
  const named = new Set<string>();
  for (const condition of conditions) {
    const refusal = checkCondition(condition, field, bytes.length, named);
    if (refusal) return refusal;
  }
  const extra = [...values.keys()].find((name) => !UNNAMED.has(name) && !named.has(name));
  if (extra !== undefined)
    return denied(`Invalid according to Policy: Extra input fields: ${extra}`);

  const promised = field('x-amz-checksum-sha256');
  if (promised === '' || promised === createHash('sha256').update(bytes).digest('base64')) return;
  return { status: 400, code: 'BadDigest', message: 'The SHA256 is another' };
}

/** By AWS Signature Version 4, of a policy in base64. */
export function signatureOf(
  policy: string,
  { secretAccessKey, date, region }: { secretAccessKey: string; date: string; region: string },
): string {
  const scope = [date, region, 's3', 'aws4_request'];
  const key = scope.reduce<string | Buffer>(
    (secret, part) => createHmac('sha256', secret).update(part).digest(),
    `AWS4${secretAccessKey}`,
  );
  return createHmac('sha256', key).update(policy).digest('hex');
}

function checkCondition(
  condition: Condition,
  field: (name: string) => string,
  sizeBytes: number,
  named: Set<string>,
): PolicyRefusal | undefined {
  if (!isList(condition)) {
    for (const [name, value] of Object.entries(condition)) {
      named.add(name.toLowerCase());
      if (field(name.toLowerCase()) !== value) return unmet(condition);
    }
    return;
  }
  const [operator, subject, wanted] = condition;
  if (operator === 'content-length-range') {
    if (sizeBytes < Number(subject)) return sized('EntityTooSmall');
    return sizeBytes > Number(wanted) ? sized('EntityTooLarge') : undefined;
  }
  const name = String(subject).replace(/^\$/, '').toLowerCase();
  named.add(name);
  const value = field(name);
  const isMet = operator === 'eq' ? value === wanted : value.startsWith(String(wanted));
  return isMet ? undefined : unmet(condition);
}

const isList = (condition: Condition): condition is Extract<Condition, readonly unknown[]> =>
  Array.isArray(condition);

const unmet = (condition: Condition) =>
  denied(`Invalid according to Policy: Policy Condition failed: ${JSON.stringify(condition)}`);

const denied = (message: string): PolicyRefusal => ({ status: 403, code: 'AccessDenied', message });

const sized = (code: string): PolicyRefusal => ({
  status: 400,
  code,
  message: 'The size is another',
});

function isSame(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));
}
