import type { Snapshot } from '../../core/types.ts';
import type { UploaderStrings } from '../words/strings.ts';
import type { Situation } from './announcements.ts';
import type { SessionState } from './session-state.ts';

/** What a screen reader should know of this moment. Countdowns are for the eye: a wait is told once. */
export function situationOf(
  session: SessionState,
  snapshot: Snapshot,
  isOffline: boolean,
  strings: UploaderStrings,
): Situation {
  const { phase } = session;
  const { stop, wait, state } = snapshot;
  if (phase === 'none') return { key: 'none', words: '', isUrgent: false };
  if (phase === 'done') {
    const words = [strings.doneSummary(session), troubleWords(session, strings)];
    return { key: 'done', words: words.filter(Boolean).join('. '), isUrgent: true };
  }
  if (state === 'paused' && session.unsent > 0) {
    const words = stop === null ? strings.paused : strings.stopped(stop);
    return { key: `paused:${stop ?? 'person'}`, words, isUrgent: true };
  }
  if (isOffline && session.unsent > 0) {
    return { key: 'offline', words: strings.offline, isUrgent: true };
  }
  if (wait !== null) {
    return { key: `waiting:${wait.kind}`, words: strings.waitReason(wait.kind), isUrgent: false };
  }
  return { key: phase, words: strings.summary(session).join(' '), isUrgent: false };
}

function troubleWords({ lost, refused }: SessionState, strings: UploaderStrings): string {
  return lost + refused === 0 ? '' : strings.failuresTitle(lost + refused, lost === 0);
}
