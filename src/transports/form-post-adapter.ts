/**
 * `bulkhead/form-post`: form posts to a server that stores and registers a file in one request.
 *
 * @module bulkhead/form-post
 */
import * as z from 'zod/mini';
import { UploadError } from '../errors/upload-error.ts';
import { type FinalizedAsset, finalizedAssetSchema } from '../protocol/index.ts';
import { type Runtime, systemRuntime } from '../runtime/runtime.ts';
import type { CredentialRequest, FinalizeOutcome, UploadAdapter } from './adapter.ts';
import { completeAdapter } from './complete-adapter.ts';
import { formBody } from './form-body.ts';
import { grantLocally } from './local-credential.ts';
import { functionOption, type HeadersOption, parseOptions, positiveInt } from './option-shapes.ts';
import { parseJson } from './parse-json.ts';
import { type SendAnswer, xhrSend } from './xhr-put.ts';

const DEFAULT_CONCURRENCY = 4;
const BATCH_FILES = 100;

/** What the server said. */
export interface FormAnswer {
  readonly status: number;
  /** The parsed JSON; undefined when it is none. */
  readonly json: unknown;
  readonly text: string;
}

const optionsSchema = z.strictObject({
  /** Where forms are posted to. Default `/api/upload`, as the server kit has it. */
  url: z._default(z.string().check(z.minLength(1)), '/api/upload'),
  /** The file's field. Default `file`. */
  fieldName: z._default(z.string().check(z.minLength(1)), 'file'),
  /** The other fields. Default: clientId, path and checksum. Without a `clientId` a repeated POST stores twice. */
  fields: z.optional(
    functionOption<(file: CredentialRequest) => Readonly<Record<string, string>>>(),
  ),
  /** Asked before every request. Default: none. */
  headers: z.optional(functionOption<HeadersOption>()),
  /** Reads the asset out of a successful answer. Default: as the server kit answers. */
  parse: z.optional(functionOption<(answer: FormAnswer) => FinalizedAsset>()),
  /** Requests at once. Default 4: the server carries every byte. */
  maxConcurrency: z._default(positiveInt, DEFAULT_CONCURRENCY),
});
/**
 * What `formPostAdapter` takes.
 *
 * @interface
 */
export type FormPostAdapterOptions = z.input<typeof optionsSchema>;

const kitAnswerSchema = z.object({ success: z.literal(true), asset: finalizedAssetSchema });

/**
 * Uploads by form posts to a server that stores and registers a file in one request: the way of old. A file
 * whose answer was lost is posted again with the same `clientId`.
 *
 * @throws OptionError at once, when an option is unknown or wrong
 */
export function formPostAdapter(
  input: FormPostAdapterOptions = {},
  runtime: Runtime = systemRuntime(),
): UploadAdapter {
  const options = parseOptions('formPostAdapter', optionsSchema, input);
  const { url, fieldName, fields = kitFields, headers, parse = parseKitAnswer } = options;

  return completeAdapter({
    name: 'form-post',
    capabilities: {
      ...{ maxConcurrency: options.maxConcurrency, maxBatchFiles: BATCH_FILES },
      // Of a lost answer it says that the bytes are missing: the POST that follows finds out.
      verifiesAtFinalize: true,
    },

    credentials: async (files) =>
      files.map((file) => {
        return grantLocally(file, { uploadUrl: url, pathname: file.path }, runtime.epochNow());
      }),

    async put({ upload, body: file, signal, onProgress }) {
      const { name: filename, mimeType } = upload;
      const part = { fieldName, filename, mimeType, body: file };
      const boundary = `bulkhead-${runtime.uuid()}`;
      const { body, headBytes } = formBody(fields(upload), part, boundary);
      const credential = {
        uploadUrl: url,
        method: 'POST',
        headers: { ...(await headers?.()), 'content-type': body.type },
      };
      let reported = 0;
      const report = (sentBytes: number) => {
        reported = Math.max(reported, Math.min(sentBytes - headBytes, file.size));
        onProgress(reported);
      };
      const answer = await xhrSend({ credential, body, signal, onProgress: report }, runtime);
      return answer === 'lost' ? 'lost' : { finalized: readAnswer(answer, parse) };
    },

    finalize: async (items) => items.map(notUploaded),
  });
}

function kitFields({ id, path, name, checksum }: CredentialRequest): Record<string, string> {
  // A file that changed and is sent anew is another promise.
  const clientId = `${id}-${checksum.slice(0, 12)}`;
  return { clientId, checksum, ...(path === name ? {} : { path }) };
}

function readAnswer(
  { status, body }: SendAnswer,
  parse: (answer: FormAnswer) => FinalizedAsset,
): FinalizedAsset {
  try {
    return parse({ status, json: parseJson(body), text: body });
  } catch (cause) {
    if (cause instanceof UploadError) throw cause;
    const message = 'The server’s answer to the form has no asset in it.';
    throw new UploadError('unexpected_response', message, { status, cause });
  }
}

function parseKitAnswer({ json }: FormAnswer): FinalizedAsset {
  return kitAnswerSchema.parse(json).asset;
}

function notUploaded(): FinalizeOutcome {
  const message = 'The answer to the form was lost: it is posted again.';
  return { status: 'failed', error: new UploadError('not_uploaded', message) };
}
