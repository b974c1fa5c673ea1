import { MAX_BATCH_FILES } from 'bulkhead/protocol';
import * as z from 'zod';
import { type Config, configSchema } from '../config.ts';

/** Variables of the environment do not fit; each line names one and says what to set. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly problems: readonly string[];
  constructor(problems: readonly string[], options?: ErrorOptions) {
    super(
      `The environment does not fit:\n${problems.map((line) => `  ${line}`).join('\n')}`,
      options,
    );
    this.problems = problems;
  }
}

const MIN_SECRET_BYTES = 32;

const secret = z.string().refine((text) => Buffer.byteLength(text) >= MIN_SECRET_BYTES, {
  error: `expected a secret of at least ${MIN_SECRET_BYTES} bytes: openssl rand -hex 32`,
});
/** What the server itself takes for one: a header carries it. */
const bearerSecret = z
  .string()
  .refine((text) => configSchema.shape.operatorToken.safeParse(text).success, {
    error: 'expected at least 32 printable ASCII characters without spaces: openssl rand -hex 32',
  });
const wholeNumber = (from: number, to: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, 'expected a whole number')
    .transform(Number)
    .refine((value) => value >= from && value <= to, {
      error: `expected a whole number from ${from} to ${to}`,
    });
const flag = z
  .enum(['true', 'false', '1', '0'], 'expected true or false')
  .transform((text) => text === 'true' || text === '1');
const url = (...protocols: string[]) =>
  z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), {
    error: `expected a URL that begins with ${protocols.map((name) => `${name}//`).join(' or ')}`,
  });
const origin = url('http:', 'https:').refine(
  (text) => URL.canParse(text) && new URL(text).origin === text,
  {
    error: 'expected an origin such as https://app.example, without a path',
  },
);
const origins = z.string().transform((text, context) => {
  const list = text.split(',').map((part) => part.trim());
  for (const part of list) {
    if (!origin.safeParse(part).success) {
      context.addIssue({
        code: 'custom',
        message: `"${part}" is no origin, as https://app.example`,
      });
    }
  }
  return list;
});
const port = wholeNumber(0, 65_535);
const text = z.string().min(1);

/** Every variable, by its own name. Empty ones count as not set. */
const environmentSchema = z.object({
  NODE_ENV: z.string().optional(),
  /** `host` is who may connect: this machine only by default. */
  HOST: text.default('127.0.0.1'),
  PORT: port.default(3000),
  /** Of the filesystem store, an origin of its own. */
  STORE_PORT: port.default(3001),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error']).default('info'),

  DATABASE_URL: url('postgres:', 'postgresql:').optional(),
  DATABASE_POOL_SIZE: wholeNumber(1, 500).optional(),
  REDIS_URL: url('redis:', 'rediss:').optional(),
  /** Of the embedded database and the filesystem store. */
  BULKHEAD_DIR: text.optional(),
  BULKHEAD_SECRET: secret.optional(),
  BULKHEAD_BASE_PATH: z
    .string()
    .regex(/^(?:\/[\w.~-]+)*$/, 'expected a path such as /kit, without a slash at its end')
    .optional(),
  BULKHEAD_ALLOWED_ORIGINS: origins.optional(),
  /** Trusted as it comes: a proxy in front must set it, and drop it where a client sent it. */
  BULKHEAD_USER_HEADER: z
    .string()
    .regex(/^[a-z][a-z0-9-]*$/i, 'expected the name of a header, such as x-user-id')
    .optional(),
  BULKHEAD_OPERATOR_TOKEN: bearerSecret.optional(),
  CRON_SECRET: bearerSecret.optional(),

  BULKHEAD_STORE: z.enum(['filesystem', 's3', 'vercel-blob']).optional(),
  BULKHEAD_STORE_URL: origin.optional(),
  S3_BUCKET: text.optional(),
  S3_REGION: text.optional(),
  S3_ENDPOINT: url('http:', 'https:').optional(),
  S3_PUBLIC_ENDPOINT: url('http:', 'https:').optional(),
  S3_FORCE_PATH_STYLE: flag.optional(),
  S3_CREATE_ONLY: flag.optional(),
  S3_VERIFIES_CHECKSUMS: flag.optional(),
  S3_FORMS_UP_TO_BYTES: wholeNumber(0, 1024 ** 2).optional(),
  /** `false`: no file goes in parts. */
  S3_MULTIPART: flag.default(true),
  S3_MULTIPART_FROM_BYTES: wholeNumber(1, Number.MAX_SAFE_INTEGER).optional(),
  S3_MULTIPART_MIN_PART_BYTES: wholeNumber(5 * 1024 ** 2, 5 * 1024 ** 3).optional(),
  BLOB_READ_WRITE_TOKEN: text.optional(),
  BULKHEAD_BLOB_ACCESS: z.enum(['private', 'public']).optional(),

  BULKHEAD_EMBEDDER: z.enum(['local', 'replicate', 'openai']).default('local'),
  REPLICATE_API_TOKEN: text.optional(),
  REPLICATE_MODEL: text.optional(),
  REPLICATE_IMAGE_INPUT: text.optional(),
  REPLICATE_TEXT_INPUT: text.optional(),
  REPLICATE_OUTPUT_PATH: text.optional(),
  REPLICATE_WEBHOOK_URL: url('https:').optional(),
  REPLICATE_WEBHOOK_SECRET: text.optional(),
  OPENAI_API_KEY: text.optional(),
  OPENAI_BASE_URL: url('http:', 'https:').optional(),
  OPENAI_EMBEDDING_MODEL: text.optional(),
  OPENAI_DIALECT: z.enum(['jina', 'infinity']).optional(),
  BULKHEAD_EMBEDDING_DIMENSIONS: wholeNumber(1, 16_000).optional(),
  BULKHEAD_EMBEDDINGS_PER_MINUTE: wholeNumber(1, 1_000_000).optional(),
  BULKHEAD_EMBEDDINGS_PER_DAY: wholeNumber(1, Number.MAX_SAFE_INTEGER).optional(),

  BULKHEAD_PROCESS_CONCURRENCY: wholeNumber(1, 256).optional(),
  BULKHEAD_EMBED_CONCURRENCY: wholeNumber(1, 256).optional(),
  BULKHEAD_MAX_FILE_BYTES: wholeNumber(1, Number.MAX_SAFE_INTEGER).optional(),
  /** Default: by the store. */
  BULKHEAD_PACKS: flag.optional(),
  BULKHEAD_PACK_MAX_FILES: wholeNumber(1, MAX_BATCH_FILES).optional(),
  BULKHEAD_PACK_MAX_BYTES: wholeNumber(1, 64 * 1024 * 1024).optional(),
  BULKHEAD_PACK_MAX_FILE_BYTES: wholeNumber(1, 64 * 1024 * 1024).optional(),
  /** `false`: no forms by `POST /api/upload`. */
  BULKHEAD_LEGACY_UPLOAD: flag.default(true),
  BULKHEAD_RATE_CAPACITY: wholeNumber(1, 1_000_000).optional(),
  BULKHEAD_RATE_PER_MINUTE: wholeNumber(1, 1_000_000).optional(),
  BULKHEAD_MAX_OPEN_UPLOADS: wholeNumber(500, 10_000_000).optional(),
  BULKHEAD_MAX_FILES_PER_DAY: wholeNumber(1, Number.MAX_SAFE_INTEGER).optional(),
  BULKHEAD_MAX_BYTES_PER_DAY: wholeNumber(1, Number.MAX_SAFE_INTEGER).optional(),
  /** Before anything else ends, `/readyz` answers 503 for so long: what a balancer takes to notice. */
  BULKHEAD_DRAIN_SECONDS: wholeNumber(0, 300).default(0),
});

type Environment = z.output<typeof environmentSchema>;

/** What the environment says, each variable by its own name, plus what follows from several. */
export interface Settings extends Environment {
  readonly isProduction: boolean;
  readonly store: 'filesystem' | 's3' | 'vercel-blob';
  /** Where embedded parts keep everything. */
  readonly dir: string;
}

/**
 * Production needs more: see {@link refuseUnfitForProduction}.
 * @throws {SettingsError} that names every variable that does not fit, or is missing
 */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const values = parseEnvironment(environmentSchema, env);
  const settings: Settings = {
    ...values,
    isProduction: values.NODE_ENV === 'production',
    store: values.BULKHEAD_STORE ?? inferStore(values),
    dir: dirOf(values),
  };
  const problems = missingParts(settings);
  if (problems.length > 0) throw new SettingsError(problems);
  return settings;
}

const databaseSchema = environmentSchema.pick({
  NODE_ENV: true,
  LOG_LEVEL: true,
  DATABASE_URL: true,
  DATABASE_POOL_SIZE: true,
  BULKHEAD_DIR: true,
});

/** What it takes to open the database, and nothing else. */
export type DatabaseSettings = Pick<Settings, keyof z.output<typeof databaseSchema> | 'dir'>;

/**
 * For `migrate`, which runs before a rollout, often where there are no keys of a store or a provider.
 * @throws {SettingsError} as {@link readSettings}, for the variables of the database only
 */
export function readDatabaseSettings(env: NodeJS.ProcessEnv): DatabaseSettings {
  const values = parseEnvironment(databaseSchema, env);
  const problems = values.NODE_ENV === 'production' ? missingDatabase(values) : [];
  if (problems.length > 0) throw new SettingsError(problems);
  return { ...values, dir: dirOf(values) };
}

/** @throws {SettingsError} that names every variable that does not fit */
function parseEnvironment<Schema extends z.ZodType>(
  schema: Schema,
  env: NodeJS.ProcessEnv,
): z.output<Schema> {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new SettingsError(
    parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`),
  );
}

const dirOf = ({ BULKHEAD_DIR }: Pick<Environment, 'BULKHEAD_DIR'>) => BULKHEAD_DIR ?? '.bulkhead';

/** In production nobody's data may land where nobody said. */
function missingDatabase({
  DATABASE_URL,
  BULKHEAD_DIR,
}: Pick<Environment, 'DATABASE_URL' | 'BULKHEAD_DIR'>): string[] {
  if (DATABASE_URL !== undefined || BULKHEAD_DIR !== undefined) return [];
  return [
    'DATABASE_URL: is missing; in production name a database, or set BULKHEAD_DIR for the embedded one',
  ];
}

function inferStore({ S3_BUCKET, BLOB_READ_WRITE_TOKEN }: Environment): Settings['store'] {
  if (S3_BUCKET !== undefined) return 's3';
  return BLOB_READ_WRITE_TOKEN === undefined ? 'filesystem' : 'vercel-blob';
}

function missingParts(settings: Settings): string[] {
  const problems: string[] = [];
  const need = (name: keyof Environment, why: string) => {
    if (settings[name] === undefined) problems.push(`${name}: is missing; ${why}`);
  };
  if (settings.store === 's3') need('S3_BUCKET', 'BULKHEAD_STORE is s3');
  if (settings.store === 'vercel-blob') {
    need('BLOB_READ_WRITE_TOKEN', 'BULKHEAD_STORE is vercel-blob');
  }
  if (settings.BULKHEAD_EMBEDDER === 'replicate') {
    need('REPLICATE_API_TOKEN', 'BULKHEAD_EMBEDDER is replicate');
    if (settings.REPLICATE_WEBHOOK_URL !== undefined) {
      need('REPLICATE_WEBHOOK_SECRET', 'REPLICATE_WEBHOOK_URL is set');
    }
    need('REPLICATE_MODEL', 'such as owner/name or owner/name:version');
    need('BULKHEAD_EMBEDDING_DIMENSIONS', 'the length of the vectors that the model gives');
  }
  if (settings.BULKHEAD_EMBEDDER === 'openai') {
    need('OPENAI_API_KEY', 'BULKHEAD_EMBEDDER is openai');
    need('OPENAI_BASE_URL', 'such as https://api.jina.ai/v1: OpenAI’s own models take no images');
    need('OPENAI_EMBEDDING_MODEL', 'the model at OPENAI_BASE_URL that takes images');
    need('BULKHEAD_EMBEDDING_DIMENSIONS', 'the length of the vectors that the model gives');
  }
  return problems;
}

/**
 * What a laptop may leave to chance, and a server on the net may not.
 * @param config asked for after the file is read: a store of one's own needs nothing of the filesystem's
 * @throws {SettingsError}
 */
export function refuseUnfitForProduction(
  settings: Settings,
  config: Pick<Config, 'blobStore'>,
): void {
  const problems = productionProblems(settings, config.blobStore !== undefined);
  if (problems.length > 0) throw new SettingsError(problems);
}

function productionProblems(settings: Settings, hasOwnStore: boolean): string[] {
  if (!settings.isProduction) return [];
  const problems = missingDatabase(settings);
  const isFileSystem = settings.store === 'filesystem' && !hasOwnStore;
  if (isFileSystem && settings.BULKHEAD_DIR === undefined) {
    problems.push('BULKHEAD_DIR: is missing; in production say where files are kept');
  }
  if (isFileSystem && settings.BULKHEAD_SECRET === undefined) {
    problems.push(
      'BULKHEAD_SECRET: is missing; it signs the store’s URLs, the same on every process: openssl rand -hex 32',
    );
  }
  if (isFileSystem && settings.BULKHEAD_STORE_URL === undefined) {
    problems.push(
      'BULKHEAD_STORE_URL: is missing; browsers send files there: the origin that your proxy hands to STORE_PORT, such as https://files.example.com',
    );
  }
  return problems;
}

/** Whether and how packs are taken, as far as the environment says; each limit switches them on. */
export function packsOfSettings(settings: Settings): Config['packs'] {
  const limits = definedOf({
    maxFiles: settings.BULKHEAD_PACK_MAX_FILES,
    maxBytes: settings.BULKHEAD_PACK_MAX_BYTES,
    maxFileBytes: settings.BULKHEAD_PACK_MAX_FILE_BYTES,
  });
  if (settings.BULKHEAD_PACKS === false) return false;
  if (settings.BULKHEAD_PACKS === undefined && Object.keys(limits).length === 0) return undefined;
  return limits;
}

/** Of users, as far as the environment says. */
export function limitsOf(settings: Settings): Record<string, number> {
  const limits = {
    maxFileBytes: settings.BULKHEAD_MAX_FILE_BYTES,
    rateLimitCapacity: settings.BULKHEAD_RATE_CAPACITY,
    rateLimitPerMinute: settings.BULKHEAD_RATE_PER_MINUTE,
    maxOpenUploads: settings.BULKHEAD_MAX_OPEN_UPLOADS,
    maxFilesPerDay: settings.BULKHEAD_MAX_FILES_PER_DAY,
    maxBytesPerDay: settings.BULKHEAD_MAX_BYTES_PER_DAY,
  };
  return definedOf(limits);
}

function definedOf(values: Record<string, number | undefined>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, number] => entry[1] !== undefined),
  );
}
