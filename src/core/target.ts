import type { Ledger } from './ledger.ts';
import { isEnded, isStored, type Upload } from './upload-state.ts';

/** What `pause`, `resume` and `abort` act upon: one upload, or a batch. Without it: everything. */
export type Target = { readonly id: string } | { readonly batchId: string };

/** The uploads of a target, in the order they were added. */
export function uploadsOf(ledger: Ledger, target: Target | undefined): Iterable<Upload> {
  if (target === undefined) return ledger.all();
  if ('id' in target) {
    const upload = ledger.get(target.id);
    return upload ? [upload] : [];
  }
  return [...ledger.all()].filter(({ batchId }) => batchId === target.batchId);
}

/** Those of a target that are neither stored nor given up. */
export function unstoredOf(ledger: Ledger, target: Target | undefined): Upload[] {
  return [...uploadsOf(ledger, target)].filter(
    ({ status }) => !isEnded(status) && !isStored(status),
  );
}
