import { AwsV4Signer } from 'aws4fetch';

export interface SigningKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface RequestToSign {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  /** SHA-256 of the body, 64 lower-case hex digits: the store compares it with what arrives. */
  readonly bodyChecksum: string;
  readonly region: string;
  readonly keys: SigningKeys;
  /** Milliseconds since the epoch, by the store's clock as well as it is known. */
  readonly atMs: number;
}

/**
 * Signs a request with all its headers (AWS Signature Version 4).
 *
 * @returns the headers to send, which hold the signature
 */
export async function signS3Request(request: RequestToSign): Promise<Record<string, string>> {
  const { url, method, headers, bodyChecksum, region, keys, atMs } = request;
  const { accessKeyId, secretAccessKey, sessionToken } = keys;
  const signer = new AwsV4Signer({
    ...{ url, method, region, service: 's3', accessKeyId, secretAccessKey, allHeaders: true },
    ...(sessionToken === undefined ? {} : { sessionToken }),
    headers: { ...headers, 'x-amz-content-sha256': bodyChecksum },
    datetime: new Date(atMs).toISOString().replace(/[:-]|\.\d{3}/g, ''),
  });
  const signed = await signer.sign();
  return Object.fromEntries(signed.headers);
}
