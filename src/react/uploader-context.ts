import { createContext, createElement, type ReactNode, useContext } from 'react';
import type { Uploader } from '../core/uploader.ts';

const UploaderContext = createContext<Uploader | null>(null);

/** Gives its descendants the uploader that `useProcessingProgress()` follows without being told. */
export function UploaderProvider(props: {
  readonly uploader: Uploader;
  readonly children?: ReactNode;
}): ReactNode {
  return createElement(UploaderContext.Provider, { value: props.uploader }, props.children);
}

/**
 * The uploader that was given, or the provider's.
 *
 * @throws Error when there is neither
 */
export function useNearestUploader(given: Uploader | undefined): Uploader {
  const provided = useContext(UploaderContext);
  const uploader = given ?? provided;
  if (uploader === null) {
    throw new Error('There is no uploader: pass one, or render an <UploaderProvider> above.');
  }
  return uploader;
}
