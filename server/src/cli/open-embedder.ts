import type { OpenDatabase } from '../database/open-database.ts';
import type { Embedder } from '../embeddings/embedder.ts';
import { createLocalVisualEmbedder } from '../embeddings/local-visual.ts';
import type { Webhook } from '../routes/webhooks.ts';
import { optionalPart } from './optional-part.ts';
import type { Settings } from './settings.ts';

export interface OpenEmbedder {
  readonly embedder: Embedder;
  readonly webhooks: Readonly<Record<string, Webhook>>;
}

/** The embedder that the environment names, and what its provider calls. */
export async function openEmbedder(
  settings: Settings,
  database: OpenDatabase,
): Promise<OpenEmbedder> {
  switch (settings.BULKHEAD_EMBEDDER) {
    case 'local':
      return { embedder: createLocalVisualEmbedder(), webhooks: {} };
    case 'replicate':
      return openReplicate(settings, database);
    case 'openai':
      return { embedder: await openOpenAi(settings), webhooks: {} };
  }
}

/** What both providers take. */
function paceOf(settings: Settings) {
  const { BULKHEAD_EMBEDDINGS_PER_MINUTE: minute, BULKHEAD_EMBEDDINGS_PER_DAY: day } = settings;
  return {
    dimensions: settings.BULKHEAD_EMBEDDING_DIMENSIONS ?? 0,
    ...(minute !== undefined && { requestsPerMinute: minute }),
    ...(day !== undefined && { dailyRequests: day }),
  };
}

async function openReplicate(settings: Settings, database: OpenDatabase): Promise<OpenEmbedder> {
  const { createPredictions, createReplicateEmbedder, createReplicateWebhook } = await optionalPart(
    ['replicate'],
    'BULKHEAD_EMBEDDER is replicate',
    () => import('../embeddings/replicate.ts'),
  );
  const { REPLICATE_WEBHOOK_URL: url, REPLICATE_WEBHOOK_SECRET: secret } = settings;
  const { REPLICATE_IMAGE_INPUT, REPLICATE_TEXT_INPUT, REPLICATE_OUTPUT_PATH } = settings;
  const predictions = createPredictions(database);
  const embedder = createReplicateEmbedder({
    ...paceOf(settings),
    token: settings.REPLICATE_API_TOKEN ?? '',
    model: settings.REPLICATE_MODEL ?? '',
    ...(REPLICATE_IMAGE_INPUT !== undefined && { imageInput: REPLICATE_IMAGE_INPUT }),
    ...(REPLICATE_TEXT_INPUT !== undefined && { textInput: REPLICATE_TEXT_INPUT }),
    ...(REPLICATE_OUTPUT_PATH !== undefined && { outputPath: REPLICATE_OUTPUT_PATH }),
    ...(url !== undefined && { webhook: { url, predictions } }),
  });
  const webhooks: Record<string, Webhook> =
    secret === undefined ? {} : { replicate: createReplicateWebhook({ secret, predictions }) };
  return { embedder, webhooks };
}

async function openOpenAi(settings: Settings): Promise<Embedder> {
  const { createOpenAiEmbedder } = await optionalPart(
    ['openai'],
    'BULKHEAD_EMBEDDER is openai',
    () => import('../embeddings/openai.ts'),
  );
  return createOpenAiEmbedder({
    ...paceOf(settings),
    apiKey: settings.OPENAI_API_KEY ?? '',
    baseURL: settings.OPENAI_BASE_URL ?? '',
    model: settings.OPENAI_EMBEDDING_MODEL ?? '',
    ...(settings.OPENAI_DIALECT !== undefined && { dialect: settings.OPENAI_DIALECT }),
  });
}
