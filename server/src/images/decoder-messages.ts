import type { ImageErrorCode } from './image-error.ts';
import type { RenderedImage, RenderLimits } from './render-image.ts';

/** From the parent: one image. A child has one at a time. */
export interface DecodeRequest {
  bytes: Uint8Array;
  limits: Partial<RenderLimits>;
}

/**
 * From the child: that it is there; the answer; or how much memory it takes (where the parent cannot
 * look itself).
 */
export type DecoderMessage =
  | { type: 'ready'; rssBytes: number }
  | { type: 'rendered'; image: RenderedImage; rssBytes: number }
  | { type: 'failed'; code: ImageErrorCode; message: string; errno?: string; rssBytes: number }
  | { type: 'memory'; rssBytes: number };
