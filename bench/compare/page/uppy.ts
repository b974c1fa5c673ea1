import Uppy from '@uppy/core';
import { RunError } from './post-json.ts';

const SILENT = { debug() {}, warn() {}, error() {} };

/** Uppy at its fastest: no user interface, no log, no subscribers. */
export function createUppy() {
  return new Uppy({ autoProceed: false, logger: SILENT });
}

/**
 * Adds the files by `addFiles`, the way Uppy documents for many, and sends them.
 *
 * @throws RunError when one was not sent
 */
export async function uploadAll(
  uppy: ReturnType<typeof createUppy>,
  files: readonly File[],
): Promise<void> {
  uppy.addFiles(
    files.map((file) => ({ source: 'input', name: file.name, type: file.type, data: file })),
  );
  const result = await uppy.upload();
  const sent = result?.successful?.length ?? 0;
  if (sent !== files.length) {
    const reason = result?.failed?.[0]?.error ?? 'no reason given';
    throw new RunError(`Uppy sent ${sent} of ${files.length}: ${reason}`);
  }
}
