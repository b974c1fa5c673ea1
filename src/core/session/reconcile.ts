import type { Runtime } from '../../runtime/runtime.ts';
import type { ReconcileResult, UploadAdapter } from '../../transports/adapter.ts';
import type { Ledger } from '../ledger.ts';
import type { Upload } from '../upload-state.ts';

/** An answer that takes longer is not worth waiting for: the pipeline finds out by itself. */
const PATIENCE_MS = 15_000;

export interface ReconcileParts {
  readonly runtime: Runtime;
  readonly adapter: UploadAdapter;
  readonly ledger: Ledger;
  readonly signal: AbortSignal;
}

type Hashed = Upload & { readonly checksum: string };

/** An earlier page may have sent more than it had the time to write down. */
const isInDoubt = (upload: Upload): upload is Hashed =>
  (upload.status === 'detached' && upload.checksum !== undefined) ||
  upload.status === 'put-unknown' ||
  upload.status === 'uploaded';

/**
 * Asks the server what it has of these uploads, before anything is sent. Whatever fails here costs time
 * and nothing else: credentials and finalize find the same things out, file by file.
 */
export async function reconcile(parts: ReconcileParts, uploads: readonly Upload[]): Promise<void> {
  const { adapter, ledger, runtime } = parts;
  const inDoubt = uploads.filter(isInDoubt);
  if (!adapter.reconcile || inDoubt.length === 0) return;
  const patience = new AbortController();
  const giveUp = () => patience.abort();
  parts.signal.addEventListener('abort', giveUp);
  const timer = runtime.setTimer(giveUp, PATIENCE_MS);
  try {
    const { maxBatchFiles } = adapter.capabilities;
    for (let at = 0; at < inDoubt.length; at += maxBatchFiles) {
      const asked = inDoubt.slice(at, at + maxBatchFiles);
      const results = await adapter.reconcile(asked, patience.signal);
      for (const [index, { id }] of asked.entries()) apply(ledger, id, results[index]);
    }
  } catch {
    // Offline, signed out, an older server: the pipeline meets the same, and says so.
  } finally {
    runtime.clearTimer(timer);
    parts.signal.removeEventListener('abort', giveUp);
  }
}

function apply(ledger: Ledger, id: string, result: ReconcileResult | undefined): void {
  const upload = ledger.get(id);
  if (!upload || !isInDoubt(upload) || result === undefined) return;
  if (result.kind === 'finalized') {
    const { assetId, isDuplicate, needsProcessing } = result;
    ledger.apply(id, { type: 'found-finalized', assetId, isDuplicate, needsProcessing });
  } else if (result.kind === 'uploaded' && upload.status !== 'uploaded') {
    ledger.apply(id, { type: 'found-uploaded', assetId: result.assetId });
  } else if (result.kind === 'unknown' && upload.status === 'put-unknown') {
    ledger.apply(id, { type: 'bytes-missing' });
  }
}
