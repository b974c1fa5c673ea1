import { type RenderedImage, type RenderLimits, renderImage } from './render-image.ts';

/** Where images are decoded: in child processes (`createDecoderPool`) or right here. */
export interface ImageDecoder {
  /**
   * Throws what {@link renderImage} throws, and `ImageError` `decoder_crashed` when decoding took
   * its process down; when `signal` aborts, its reason.
   */
  render(bytes: Uint8Array, signal: AbortSignal): Promise<RenderedImage>;
  /** Ends what runs for it. */
  close(): Promise<void>;
}

/**
 * Decodes in this process, for hosts that cannot start others (serverless functions). An image that
 * crashes the decoder takes the process with it, and nothing bounds time and memory but the header.
 */
export function createInlineDecoder(limits: Partial<RenderLimits>): ImageDecoder {
  return {
    render: (bytes, signal) => renderImage(bytes, limits, signal),
    close: () => Promise.resolve(),
  };
}
