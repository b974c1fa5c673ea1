import AwsS3 from '@uppy/aws-s3';
import GoldenRetriever from '@uppy/golden-retriever';
import type {
  FinishRequest,
  PolicyResponse,
  SignRequest,
  SignResponse,
} from '../server/peer-routes.ts';
import type { PageClient, Servers, Upload } from './page-bench.ts';
import { postJson, RunError } from './post-json.ts';
import { createUppy, uploadAll } from './uppy.ts';

type S3Client = Extract<PageClient, { kind: 'uppy-s3' }>;

const FINISH_FILES = 500;

/** What all configurations share: never multipart, six at once, keys that are the files' names. */
const SHARED = {
  shouldUseMultipart: false,
  limit: 6,
  allowedMetaFields: false,
  generateObjectKey: ({ name }: { name: string }) => name,
};

/** Uppy to a bucket. The application is told of all files at once when Uppy is done. */
export const uploadByUppyS3: Upload<S3Client> = async (files, servers, { signing, isGolden }) => {
  const uppy = createUppy();
  if (isGolden) uppy.use(GoldenRetriever);
  if (signing === 'keys') uppy.use(AwsS3, { ...SHARED, ...keysOf(servers) });
  else if (signing === 'form') uppy.use(AwsS3, { ...SHARED, signRequest: policyOf(servers) });
  else uppy.use(AwsS3, { ...SHARED, signRequest: signerOf(servers) });
  await uploadAll(uppy, files);

  const names = files.map(({ name }) => ({ name }));
  for (let at = 0; at < names.length; at += FINISH_FILES) {
    const batch: FinishRequest = { files: names.slice(at, at + FINISH_FILES) };
    await postJson(`${servers.apiUrl}/finish`, batch);
  }
};

/** One request a file, as Uppy documents it. */
function signerOf({ apiUrl }: Servers) {
  return async ({ key }: { key: string }) => {
    const request: SignRequest = { names: [key] };
    const [url] = (await postJson<SignResponse>(`${apiUrl}/sign`, request)).urls;
    if (url === undefined) throw new RunError(`There is no URL for ${key}`);
    return { url };
  };
}

/** Uppy asks once and signs every URL in the page. */
function keysOf({ apiUrl, storeUrl }: Servers) {
  interface Keys {
    readonly credentials: {
      readonly accessKeyId: string;
      readonly secretAccessKey: string;
      readonly sessionToken: string;
      readonly expiration: string;
    };
    readonly region: string;
  }
  return {
    s3Endpoint: `${storeUrl}/bucket`,
    getCredentials: () => postJson<Keys>(`${apiUrl}/keys`, {}),
  };
}

/** One policy for every key; a form has one URL, so that the browser asks the store only once. */
function policyOf({ apiUrl }: Servers) {
  let policy: Promise<PolicyResponse> | undefined;
  return async ({ key }: { key: string }) => {
    policy ??= postJson<PolicyResponse>(`${apiUrl}/policy`, {});
    const { url, fields } = await policy;
    return { url, fields: { ...fields, key } };
  };
}
