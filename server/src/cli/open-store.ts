import { join } from 'node:path';
import type { BlobStore } from '../blobs/blob-store.ts';
import { createFileSystemStore, type FileSystemStore } from '../blobs/file-system-store.ts';
import { persistentSecret } from '../blobs/persistent-secret.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../logging.ts';
import { optionalPart } from './optional-part.ts';
import type { Settings } from './settings.ts';

export interface OpenStore {
  readonly blobStore: BlobStore;
  /** The filesystem store, which this process serves too. */
  readonly served: FileSystemStore | undefined;
  /** Where browsers reach the served one, once it is known. */
  setUrl(url: string): void;
}

/** The store that the environment names. */
export async function openStore(
  settings: Settings,
  logger: Logger,
  clock?: Clock,
): Promise<OpenStore> {
  switch (settings.store) {
    case 's3':
      return remote(await openS3(settings, clock));
    case 'vercel-blob':
      return remote(await openVercelBlob(settings, clock));
    case 'filesystem':
      return openFileSystem(settings, logger, clock);
  }
}

function remote(blobStore: BlobStore): OpenStore {
  return { blobStore, served: undefined, setUrl() {} };
}

async function openS3(settings: Settings, clock?: Clock): Promise<BlobStore> {
  const { createS3Store } = await optionalPart(
    ['@aws-sdk/client-s3', '@aws-sdk/s3-request-presigner'],
    'The store is S3',
    () => import('../s3.ts'),
  );
  const { S3_BUCKET = '', S3_REGION, S3_ENDPOINT, S3_PUBLIC_ENDPOINT } = settings;
  const { S3_FORCE_PATH_STYLE, S3_CREATE_ONLY, S3_VERIFIES_CHECKSUMS } = settings;
  const { S3_FORMS_UP_TO_BYTES } = settings;
  const { S3_MULTIPART, S3_MULTIPART_FROM_BYTES, S3_MULTIPART_MIN_PART_BYTES } = settings;
  const multipart = S3_MULTIPART && {
    ...(S3_MULTIPART_FROM_BYTES !== undefined && { fromBytes: S3_MULTIPART_FROM_BYTES }),
    ...(S3_MULTIPART_MIN_PART_BYTES !== undefined && { minPartBytes: S3_MULTIPART_MIN_PART_BYTES }),
  };
  return createS3Store({
    bucket: S3_BUCKET,
    multipart,
    ...(clock && { clock }),
    ...(S3_REGION !== undefined && { region: S3_REGION }),
    ...(S3_ENDPOINT !== undefined && { endpoint: S3_ENDPOINT }),
    ...(S3_PUBLIC_ENDPOINT !== undefined && { publicEndpoint: S3_PUBLIC_ENDPOINT }),
    ...(S3_FORCE_PATH_STYLE !== undefined && { pathStyle: S3_FORCE_PATH_STYLE }),
    ...(S3_CREATE_ONLY !== undefined && { createOnly: S3_CREATE_ONLY }),
    ...(S3_VERIFIES_CHECKSUMS !== undefined && { verifiesChecksums: S3_VERIFIES_CHECKSUMS }),
    ...(S3_FORMS_UP_TO_BYTES !== undefined && { formsUpToBytes: S3_FORMS_UP_TO_BYTES }),
  });
}

async function openVercelBlob(settings: Settings, clock?: Clock): Promise<BlobStore> {
  const { createVercelBlobStore } = await optionalPart(
    ['@vercel/blob'],
    'The store is Vercel Blob',
    () => import('../vercel-blob.ts'),
  );
  return createVercelBlobStore({
    token: settings.BLOB_READ_WRITE_TOKEN ?? '',
    ...(clock && { clock }),
    ...(settings.BULKHEAD_BLOB_ACCESS !== undefined && { access: settings.BULKHEAD_BLOB_ACCESS }),
  });
}

async function openFileSystem(
  settings: Settings,
  logger: Logger,
  clock?: Clock,
): Promise<OpenStore> {
  let url = settings.BULKHEAD_STORE_URL;
  const served = await createFileSystemStore({
    dir: join(settings.dir, 'blobs'),
    publicUrl: () => {
      if (url === undefined) throw new Error('The store has no address: set BULKHEAD_STORE_URL');
      return url;
    },
    secret: settings.BULKHEAD_SECRET ?? (await persistentSecret(join(settings.dir, 'secret'))),
    logger,
    ...(clock && { clock }),
  });
  return {
    blobStore: served,
    served,
    setUrl(listening) {
      url ??= listening;
    },
  };
}
