import type { Snapshot, Uploader } from 'bulkhead';
import { createCompartment } from './compartments.ts';
import { createControls } from './controls.ts';
import { byId, element, framed, setText, show, throttled } from './dom.ts';
import { icon } from './icons.ts';
import {
  doneFigures,
  doneLine,
  overallShare,
  runningFigures,
  stopWords,
  summaryParts,
  titleWords,
  waitReason,
  waitWords,
} from './progress-words.ts';
import { readSession, type SessionState } from './session-state.ts';
import { Stopwatch } from './stopwatch.ts';

/** Screen readers get the summary at most this often. */
const ANNOUNCE_MS = 2000;

/**
 * The panel with the three bars. Painted at most once a frame, with the same small work for ten
 * uploads as for a hundred thousand: it reads the snapshot's sums and never a row.
 *
 * @param onPhase told when the session starts, finishes uploading, or is done
 */
export function connectProgress(
  uploader: Uploader,
  onPhase: (session: SessionState) => void,
): { finding(isFinding: boolean): void } {
  const panel = byId('session');
  const summary = byId('summary');
  const figures = byId('figures');
  const banner = byId('banner');
  const badge = byId('session-icon');
  const thread = byId('top-progress');
  const announcer = byId('announcer');
  const compartments = byId('compartments');
  const uploaded = createCompartment(compartments, 'Uploaded');
  const processed = createCompartment(compartments, 'Processed');
  const searchable = createCompartment(compartments, 'Searchable');
  let isDismissed = false;
  const controls = createControls(uploader, byId('controls'), () => {
    isDismissed = true;
    paint();
  });
  const stopwatch = new Stopwatch();
  let lastPhase: SessionState['phase'] = 'none';
  let isFinding = false;
  let ticker: number | undefined;

  const announce = throttled(() => {
    const snapshot = uploader.getSnapshot();
    const session = readSession(snapshot);
    if (session.phase === 'none') return;
    // A wait is told once; its countdown is for the eye.
    const isWaiting = snapshot.wait !== null && session.phase !== 'done';
    const waiting = isWaiting ? waitReason(snapshot.wait) : headline(session).join(' ');
    setText(announcer, snapshot.stop === null ? waiting : stopWords(snapshot.stop));
  }, ANNOUNCE_MS);
  const nameTab = throttled(() => {
    document.title = titleWords(readSession(uploader.getSnapshot()));
  }, 1000);

  const paint = framed(() => {
    const snapshot = uploader.getSnapshot();
    const session = readSession(snapshot);
    const { phase, total } = session;
    const isDone = phase === 'done';
    stopwatch.run((phase === 'uploading' && snapshot.state !== 'paused') || phase === 'processing');
    if (!isDone) isDismissed = false;
    show(panel, (phase !== 'none' || isFinding) && !isDismissed);
    panel.classList.toggle('is-done', isDone);
    panel.classList.toggle('has-failures', isDone && session.lost + session.refused > 0);
    panel.classList.toggle('is-cancelled', session.cancelled > 0);
    show(compartments, total > 0 || !isDone);

    show(thread, !isDone && total > 0);
    thread.style.transform = `scaleX(${overallShare(session).toFixed(4)})`;
    const gone = session.lost - session.lostInProcessing;
    const isUploading = phase === 'uploading' && snapshot.state === 'running';
    const isWorking = phase === 'uploading' || phase === 'processing';
    uploaded.update(session.uploaded, gone, total, isUploading);
    processed.update(
      session.processed,
      gone + session.lostInProcessing,
      total,
      isWorking && session.uploaded > session.processed,
    );
    searchable.update(
      session.searchable,
      gone + session.lostInProcessing,
      total,
      isWorking && session.processed > session.searchable,
    );

    paintSummary(summary, headline(session));
    setText(
      figures,
      isDone
        ? doneFigures(session, snapshot, stopwatch.seconds())
        : isFinding && session.unsent === 0
          ? 'Looking for files…'
          : runningFigures(session, snapshot),
    );
    paintBadge(badge, session);
    paintBanner(banner, session, snapshot);
    controls.update(session, snapshot);

    if (phase !== lastPhase) {
      lastPhase = phase;
      onPhase(session);
    }
    announce();
    nameTab();
    // A countdown moves though nothing else does.
    if (snapshot.wait !== null && ticker === undefined) {
      ticker = window.setInterval(paint, 500);
    } else if (snapshot.wait === null && ticker !== undefined) {
      window.clearInterval(ticker);
      ticker = undefined;
    }
  });

  uploader.subscribe(() => {
    paint();
    // Frames stand still in a background tab; its title is what the person looks at then.
    if (document.hidden) nameTab();
  });
  paint();
  return {
    finding(isNowFinding) {
      isFinding = isNowFinding;
      paint();
    },
  };
}

function headline(session: SessionState): string[] {
  return session.phase === 'done' ? [doneLine(session)] : summaryParts(session);
}

/** One span a part, a space between: lines break there and nowhere else. */
function paintSummary(summary: HTMLElement, parts: readonly string[]): void {
  if (summary.textContent === parts.join(' ')) return;
  const spans = parts.map((part) => element('span', { class: 'summary-part' }, part));
  summary.replaceChildren(...spans.flatMap((span, at) => (at === 0 ? [span] : [' ', span])));
}

function paintBadge(badge: HTMLElement, session: SessionState): void {
  const isDone = session.phase === 'done';
  show(badge, isDone);
  const name = session.searchable < session.total || session.total === 0 ? 'alert' : 'check';
  if (!isDone || badge.dataset.icon === name) return;
  badge.dataset.icon = name;
  badge.replaceChildren(icon(name));
}

function paintBanner(banner: HTMLElement, session: SessionState, snapshot: Snapshot): void {
  const isPaused = snapshot.state === 'paused' && session.unsent > 0;
  const words = isPaused
    ? snapshot.stop
      ? stopWords(snapshot.stop)
      : 'Paused. What was sent is safe; the rest waits until you resume.'
    : snapshot.wait !== null && session.phase !== 'done'
      ? waitWords(snapshot.wait, Date.now())
      : '';
  show(banner, words !== '');
  if (words === '') return;
  banner.classList.toggle('is-calm', isPaused && snapshot.stop === null);
  if (banner.firstElementChild === null) {
    const text = document.createElement('span');
    banner.append(icon('wait'), text);
  }
  const text = banner.lastElementChild;
  if (text instanceof HTMLElement) setText(text, words);
}
