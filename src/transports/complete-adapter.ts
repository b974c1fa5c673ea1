import { systemRuntime } from '../runtime/runtime.ts';
import type { AdapterCapabilities, FinalizeOutcome, UploadAdapter } from './adapter.ts';
import { xhrPut } from './xhr-put.ts';

/** Browsers open six HTTP/1.1 connections to one host. */
const DEFAULT_CONCURRENCY = 6;
const DEFAULT_BATCH_FILES = 100;

/** An adapter as its author writes it: what is left out works as most backends do. */
export type AdapterDefinition = Omit<UploadAdapter, 'capabilities' | 'put' | 'finalize'> & {
  /** Default: six PUTs at once, a hundred files in a call, and nothing that the store does by itself. */
  readonly capabilities?: Partial<AdapterCapabilities>;
  /** Default: one PUT of the credential's URL with its headers, by XMLHttpRequest. */
  readonly put?: UploadAdapter['put'];
  /** Default: what is stored is done; nothing is told. */
  readonly finalize?: UploadAdapter['finalize'];
};

/** Fills in what is left out. What this package defines is right by its types; `defineAdapter` checks first. */
export function completeAdapter({ capabilities, ...methods }: AdapterDefinition): UploadAdapter {
  const defaults = adapterDefaults();
  return Object.freeze({
    ...defaults,
    ...methods,
    capabilities: Object.freeze({ ...defaults.capabilities, ...capabilities }),
  });
}

export function adapterDefaults(): Omit<UploadAdapter, 'name' | 'credentials'> {
  const runtime = systemRuntime();
  return {
    put: (request) => xhrPut(request, runtime),
    finalize: async (items) => items.map(asStored),
    capabilities: { maxConcurrency: DEFAULT_CONCURRENCY, maxBatchFiles: DEFAULT_BATCH_FILES },
  };
}

/** A backend that is told nothing has nothing to tell: the credential's id is the asset's. */
function asStored({ assetId }: { readonly assetId: string }): FinalizeOutcome {
  const asset = { id: assetId, blobUrl: '', isDuplicate: false, needsProcessing: false };
  return { status: 'finalized', asset };
}
