import * as z from 'zod';

/** What every embedder over HTTP takes. */
export const providerOptions = {
  /** Length of the model's vectors; another length fails the image, naming both. */
  dimensions: z.int().positive().max(16_000),
  /**
   * Stored with every vector. Default: provider and model. Give another one when the same model is asked
   * in another way (other dimensions, other inputs): all images are then embedded anew.
   */
  id: z.string().min(1).max(200).optional(),
  /** Most requests in a day (UTC); then the lane waits. Default: no cap. */
  dailyRequests: z.int().positive().optional(),
  /** Default: Node's. */
  fetch: z
    .custom<typeof fetch>((value) => typeof value === 'function', 'expected a function')
    .optional(),
};

/** The thumbnail as a URL that carries it: nothing of ours is fetched by the provider. */
export function toDataUri(image: Uint8Array): string {
  return `data:image/webp;base64,${Buffer.from(image).toString('base64')}`;
}
