import type { Snapshot, Uploader } from 'bulkhead';
import { byId, framed, show, throttled } from './dom.ts';

/**
 * All three stages as one number: a thread under the header, in sight however far someone has scrolled, and
 * the tab's title, seen while another tab is in front.
 */
export function connectOverall(uploader: Uploader): void {
  const thread = byId('top-progress');
  const nameTab = throttled(() => {
    document.title = titleWords(uploader.getSnapshot());
  }, 1000);
  const paint = framed(() => {
    const snapshot = uploader.getSnapshot();
    show(thread, isAtWork(snapshot));
    thread.style.transform = `scaleX(${overallShare(snapshot).toFixed(4)})`;
  });
  uploader.subscribe(() => {
    paint();
    // Frames stand still in a background tab.
    nameTab();
  });
}

const isAtWork = ({ total, searchable, failed, byStatus }: Snapshot): boolean =>
  total > 0 && searchable + failed - byStatus.rejected < total;

function overallShare({ uploaded, processed, searchable, total }: Snapshot): number {
  return total === 0 ? 0 : (uploaded + processed + searchable) / (total * 3);
}

function titleWords(snapshot: Snapshot): string {
  if (isAtWork(snapshot)) return `${Math.floor(overallShare(snapshot) * 100)} % · Bulkhead`;
  return snapshot.total > 0 ? '✓ Done · Bulkhead' : 'Bulkhead';
}
