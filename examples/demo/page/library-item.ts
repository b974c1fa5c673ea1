import type { Asset, AssetStage, FileProblem } from 'bulkhead/protocol';

/**
 * A photo as the gallery holds it. Live news bring only some of it; the rest is fetched when someone
 * looks at the photo.
 */
export interface LibraryItem {
  readonly id: string;
  /** Undefined until known: another tab may have sent it. */
  name: string | undefined;
  thumbnailUrl: string | null;
  stage: AssetStage;
  error: FileProblem | null;
  asset: Asset | undefined;
  /** Cosine likeness, in the results of "more like this". */
  readonly score?: number;
}

export function itemOf(asset: Asset, score?: number): LibraryItem {
  return {
    id: asset.id,
    name: asset.filename,
    thumbnailUrl: asset.thumbnailUrl,
    stage: asset.stage,
    error: asset.processingError ?? asset.embeddingError,
    asset,
    ...(score === undefined ? {} : { score }),
  };
}

/** Whether there is something to see: a picture, or the reason why there is none. */
export function isPresentable({ thumbnailUrl, stage }: LibraryItem): boolean {
  return thumbnailUrl !== null || stage === 'failed';
}
