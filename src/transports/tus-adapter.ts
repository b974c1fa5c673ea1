/**
 * `bulkhead/tus`: to a server that speaks tus 1.0.
 *
 * @module bulkhead/tus
 */
import * as z from 'zod/mini';
import { UploadError } from '../errors/upload-error.ts';
import { type Runtime, systemRuntime } from '../runtime/runtime.ts';
import type {
  CredentialRequest,
  FinalizeOutcome,
  FinalizeRequest,
  UploadAdapter,
} from './adapter.ts';
import { completeAdapter } from './complete-adapter.ts';
import { grantLocally } from './local-credential.ts';
import { functionOption, type HeadersOption, parseOptions, positiveInt } from './option-shapes.ts';
import { isHostReachable } from './reach-host.ts';
import { createResumeTokens } from './resume-tokens.ts';
import { RunningPuts } from './running-puts.ts';
import { tokenPlace } from './token-storage.ts';
import { TusClient } from './tus-client.ts';
import { TusUploading } from './tus-upload.ts';

const MIB = 1024 * 1024;
/** One request instead of two, at the price of sending all of it again when that one fails. */
const WITH_CREATION_BYTES = 4 * MIB;
const DEFAULT_CONCURRENCY = 6;
const BATCH_FILES = 100;

/** An upload whose bytes the tus server has. */
export interface TusFinalizeRequest extends FinalizeRequest {
  /** The upload's URL at the tus server. */
  readonly location: string;
}

/** @inline */
type FinalizeTus = (
  items: readonly TusFinalizeRequest[],
  signal: AbortSignal,
) => Promise<readonly FinalizeOutcome[]>;

const optionsSchema = z.strictObject({
  /** Where uploads are created. */
  endpoint: z.string().check(z.minLength(1)),
  /** Asked before every request. Default: none. */
  headers: z.optional(functionOption<HeadersOption>()),
  /** Most bytes of one PATCH. Default: all there is, as tus recommends; a proxy may take less. */
  chunkBytes: z._default(positiveInt, Number.MAX_SAFE_INTEGER),
  /** `Upload-Metadata`. Default: filename, filetype, relativePath and checksum (SHA-256, hex). */
  metadata: z.optional(
    functionOption<(file: CredentialRequest) => Readonly<Record<string, string>>>(),
  ),
  /** Whether the server takes bytes with the creation. Default true. */
  creationWithUpload: z._default(z.boolean(), true),
  /** Tells your backend what was stored. Default: nothing is told, and the asset is the upload's URL. */
  finalize: z.optional(functionOption<FinalizeTus>()),
  /** Requests at once that carry bytes. Default 6. */
  maxConcurrency: z._default(positiveInt, DEFAULT_CONCURRENCY),
});
/**
 * What `tusAdapter` takes.
 *
 * @interface
 */
export type TusAdapterOptions = z.input<typeof optionsSchema>;

const tokenSchema = z.object({ location: z.string(), checksum: z.string() });

/**
 * Uploads to a server that speaks tus 1.0. Files go on where the server stands, also after a reload.
 *
 * @throws OptionError at once, when an option is unknown or wrong
 */
export function tusAdapter(
  input: TusAdapterOptions,
  runtime: Runtime = systemRuntime(),
): UploadAdapter {
  const options = parseOptions('tusAdapter', optionsSchema, input);
  const { endpoint, headers = () => ({}), metadata = defaultMetadata, finalize } = options;
  const client = new TusClient(endpoint, headers, runtime);
  const place = tokenPlace(`tus:${endpoint}`);
  const tokens = createResumeTokens({ place, schema: tokenSchema, runtime });
  const running = new RunningPuts();
  const locationOf = ({ id, checksum }: Pick<CredentialRequest, 'id' | 'checksum'>) => {
    const token = tokens.get(id);
    return token?.checksum === checksum ? token.location : undefined;
  };

  return completeAdapter({
    name: 'tus',
    capabilities: {
      ...{ maxConcurrency: options.maxConcurrency, maxBatchFiles: BATCH_FILES },
      checksum: 'none',
    },

    credentials: async (files) =>
      files.map((file) => {
        return grantLocally(file, { uploadUrl: endpoint, pathname: file.path }, runtime.epochNow());
      }),

    put(request) {
      const { id, checksum } = request.upload;
      const uploading = new TusUploading({
        ...{ request, client, runtime, chunkBytes: options.chunkBytes },
        metadata: metadata(request.upload),
        withCreationBytes: options.creationWithUpload ? WITH_CREATION_BYTES : -1,
        location: locationOf(request.upload),
        onLocation(location) {
          if (location === undefined) tokens.remove(id);
          else tokens.set(id, { location, checksum });
        },
      });
      const put = uploading.finish().then((location) => {
        if (finalize) return 'stored' as const;
        tokens.remove(id);
        const name = location.split('/').at(-1) ?? location;
        const asset = { id: name, blobUrl: location, isDuplicate: false, needsProcessing: false };
        return { finalized: asset };
      });
      return running.track(id, put);
    },

    async head(items, signal) {
      const offsets = items.map((item) => {
        const location = locationOf(item);
        return location === undefined ? undefined : client.offset(location, signal);
      });
      const found = await Promise.all(offsets);
      return items.map(({ sizeBytes }, at) => found[at] === sizeBytes);
    },

    isStoreReachable: ({ uploadUrl }) => isHostReachable(uploadUrl),

    async abort({ assetId }) {
      await running.ended(assetId);
      const token = tokens.get(assetId);
      if (!token) return;
      await client.terminate(token.location);
      tokens.remove(assetId);
    },

    async finalize(items, signal) {
      const located = items.flatMap((item) => {
        const location = locationOf(item);
        return location === undefined ? [] : [{ ...item, location }];
      });
      const outcomes = finalize && located.length > 0 ? await finalize(located, signal) : [];
      const byId = new Map(located.map(({ id }, at) => [id, outcomes[at]]));
      for (const [id, outcome] of byId) if (outcome?.status === 'finalized') tokens.remove(id);
      return items.map(({ id }) => byId.get(id) ?? notUploaded());
    },
  });
}

function defaultMetadata(file: CredentialRequest): Record<string, string> {
  const { name, path, mimeType, checksum } = file;
  return { filename: name, filetype: mimeType, relativePath: path, checksum };
}

/** Where the upload is was forgotten, or it never was: it is sent again. */
function notUploaded(): FinalizeOutcome {
  const error = new UploadError('not_uploaded', 'It is not known where this file was uploaded to.');
  return { status: 'failed', error };
}
