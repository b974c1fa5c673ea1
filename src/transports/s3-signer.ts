import { encodeUri } from './encode-uri.ts';
import { toHex } from './hex.ts';

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

const ALGORITHM = 'AWS4-HMAC-SHA256';

/**
 * Signs a request with all its headers: AWS Signature Version 4, as S3 has it
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).
 *
 * @returns the headers to send, which hold the signature
 */
export async function signS3Request(request: RequestToSign): Promise<Record<string, string>> {
  const { method, bodyChecksum, region, keys, atMs } = request;
  const { host, pathname, search } = new URL(request.url);
  const instant = new Date(atMs).toISOString().replace(/[:-]|\.\d{3}/g, '');
  const headers = new Headers(request.headers);
  headers.set('host', host);
  headers.set('x-amz-content-sha256', bodyChecksum);
  headers.set('x-amz-date', instant);
  if (keys.sessionToken) headers.set('x-amz-security-token', keys.sessionToken);

  // In the order of their names, which `Headers` keeps.
  const lines = Array.from(headers, ([name, value]) => `${name}:${value.replace(/\s+/g, ' ')}\n`);
  const names = [...headers.keys()].join(';');
  const query = search.slice(1).split('&').sort().join('&');
  const path = encodeUri(decodeURIComponent(pathname)).replaceAll('%2F', '/');
  const canonical = [method, path, query, lines.join(''), names, bodyChecksum].join('\n');
  const scope = [instant.slice(0, 8), region, 's3', 'aws4_request'];
  const text = [ALGORITHM, instant, scope.join('/'), await sha256OfText(canonical)].join('\n');

  let signature: Uint8Array<ArrayBuffer> | ArrayBuffer = bytesOf(`AWS4${keys.secretAccessKey}`);
  for (const step of [...scope, text]) signature = await hmac(signature, step);
  const credential = `${keys.accessKeyId}/${scope.join('/')}`;
  headers.set(
    'authorization',
    `${ALGORITHM} Credential=${credential}, SignedHeaders=${names}, Signature=${toHex(signature)}`,
  );
  // Pages may not set it: the browser does, to the same.
  headers.delete('host');
  return Object.fromEntries(headers);
}

/** 64 lower-case hex digits. */
export async function sha256OfText(text: string): Promise<string> {
  return toHex(await crypto.subtle.digest('SHA-256', bytesOf(text)));
}

async function hmac(
  key: Uint8Array<ArrayBuffer> | ArrayBuffer,
  text: string,
): Promise<ArrayBuffer> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const imported = await crypto.subtle.importKey('raw', key, algorithm, false, ['sign']);
  return crypto.subtle.sign('HMAC', imported, bytesOf(text));
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
