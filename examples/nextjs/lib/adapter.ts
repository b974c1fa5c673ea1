import { bulkheadAdapter, type UploadAdapter } from 'bulkhead';
import { formPostAdapter } from 'bulkhead/form-post';
import { withRollout } from 'bulkhead/rollout';

/** How many of a hundred users upload straight to the store; the others post forms, as before. */
const percent = Number(process.env.NEXT_PUBLIC_DIRECT_UPLOADS_PERCENT ?? 100);

/** The same user always goes the same way. Where the direct way is blocked, the page goes on by the other. */
export function adapterFor(userId: string): UploadAdapter {
  return withRollout({
    percent,
    key: userId,
    direct: bulkheadAdapter(),
    // The kit's own form route; here it stands for the one that you have.
    legacy: formPostAdapter({ url: '/api/upload' }),
    onFallback: ({ reason, error }) => console.warn(`Uploads go by forms: ${reason}`, error),
  });
}
