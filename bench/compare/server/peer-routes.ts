import { randomBytes, randomUUID } from 'node:crypto';
import type { Exchange } from './exchange.ts';
import { FormCounter } from './form-counter.ts';

/** What a page asks signed URLs with, for one file or many. */
export interface SignRequest {
  readonly names: readonly string[];
}

/** In the order of the request. */
export interface SignResponse {
  readonly urls: readonly string[];
}

/** What `POST /policy` answers. */
export interface PolicyResponse {
  readonly url: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** What a page says is done, one file or many; a checksum where it has one. */
export interface FinishRequest {
  readonly files: readonly { readonly name: string; readonly checksum?: string }[];
}

/** `POST /sign`: signed URLs for PUTs. */
export async function sign(exchange: Exchange): Promise<void> {
  const { storeUrl } = exchange.world;
  const { names } = await exchange.readJson<SignRequest>();
  const urls = names.map(
    (name) => `${storeUrl}/bucket/${name}?signature=${randomBytes(32).toString('hex')}`,
  );
  exchange.json({ urls } satisfies SignResponse);
}

/** `POST /finish`: refuses what did not arrive. */
export async function finish(exchange: Exchange): Promise<void> {
  const { tally } = exchange.world;
  const { files } = await exchange.readJson<FinishRequest>();
  const missing = files.filter(({ name }) => !tally.has(name));
  for (const { name } of files) tally.finalized(name);
  if (missing.length > 0) return exchange.answer(409, {}, `${missing.length} are not there`);
  exchange.json({ assets: files.map(({ name }) => ({ id: randomUUID(), name })) });
}

/** `POST /keys`: keys that the page signs with itself, as a token service gives them. */
export async function temporaryKeys(exchange: Exchange): Promise<void> {
  await exchange.drain();
  const text = (bytes: number) => randomBytes(bytes).toString('hex');
  exchange.json({
    credentials: {
      accessKeyId: text(10),
      secretAccessKey: text(20),
      sessionToken: text(200),
      expiration: new Date(Date.now() + 3_600_000).toISOString(),
    },
    region: 'us-east-1',
  });
}

/** `POST /policy`: what lets a page post forms to the bucket, one policy for all files. */
export async function postPolicy(exchange: Exchange): Promise<void> {
  await exchange.drain();
  const policy: PolicyResponse = {
    url: `${exchange.world.storeUrl}/bucket`,
    fields: postPolicyFields(),
  };
  exchange.json(policy);
}

/** As long as those of S3. */
export function postPolicyFields(): Record<string, string> {
  return {
    policy: randomBytes(300).toString('base64'),
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': randomBytes(30).toString('hex'),
    'x-amz-signature': randomBytes(32).toString('hex'),
  };
}

/** `POST /form`: the classic upload, one file or many in one form. */
export async function form(exchange: Exchange): Promise<void> {
  const { tally } = exchange.world;
  let count = 0;
  const counter = new FormCounter(exchange.headers['content-type'], ({ filename, sizeBytes }) => {
    if (filename === undefined) return;
    count += 1;
    tally.stored(filename, sizeBytes);
    tally.finalized(filename);
  });
  await exchange.consume((chunk) => counter.push(chunk));
  counter.end();
  exchange.json({ url: '/form', count });
}
