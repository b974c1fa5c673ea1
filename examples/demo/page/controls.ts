import type { Snapshot, Uploader } from 'bulkhead';
import { element } from './dom.ts';
import { formatCounted } from './format.ts';
import { icon } from './icons.ts';
import type { SessionState } from './session-state.ts';

/**
 * Pause, resume, and a cancel that asks once, in place.
 *
 * @param onDismiss the panel is to go away: everything is done
 */
export function createControls(
  uploader: Uploader,
  root: HTMLElement,
  onDismiss: () => void,
): { update(session: SessionState, snapshot: Snapshot): void } {
  let shown = '';
  let isAsking = false;
  let last: { session: SessionState; snapshot: Snapshot } | undefined;

  const button = (
    label: string,
    className: string,
    testId: string,
    onClick: () => void,
  ): HTMLButtonElement => {
    const made = element(
      'button',
      { type: 'button', class: `button ${className}`, 'data-testid': testId },
      label,
    );
    made.addEventListener('click', onClick);
    return made;
  };
  const ask = (isNowAsking: boolean): void => {
    isAsking = isNowAsking;
    if (last !== undefined) update(last.session, last.snapshot);
    const focus = root.querySelector<HTMLElement>(isNowAsking ? '[data-keep]' : '[data-cancel]');
    focus?.focus();
  };

  const pause = button('Pause', '', 'pause', () => uploader.pause());
  pause.prepend(icon('pause'));
  const resume = button('Resume', 'primary', 'resume', () => uploader.resume());
  resume.prepend(icon('play'));
  const cancel = button('Cancel', 'quiet', 'cancel', () => ask(true));
  cancel.dataset.cancel = '';
  const keep = button('Keep uploading', '', 'cancel-keep', () => ask(false));
  keep.dataset.keep = '';
  const confirm = button('Cancel the rest', 'danger', 'cancel-confirm', () => {
    isAsking = false;
    uploader.abort();
  });
  const question = element('p');
  const asking = element('div', { class: 'confirm', role: 'group' }, question);
  asking.append(element('div', {}, keep, confirm));
  asking.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') ask(false);
  });

  const dismiss = element(
    'button',
    {
      type: 'button',
      class: 'icon-button',
      'aria-label': 'Hide this panel',
      'data-testid': 'dismiss',
    },
    icon('close'),
  );
  dismiss.addEventListener('click', onDismiss);

  function update(session: SessionState, snapshot: Snapshot): void {
    last = { session, snapshot };
    if (session.unsent === 0) isAsking = false;
    const isPaused = snapshot.state === 'paused';
    const next = controlsFor(session, isAsking, isPaused);
    if (isAsking) {
      question.textContent = `Cancel the ${formatCounted(session.unsent, 'photo')} not sent yet? What was sent stays in your library, and you can add the rest again.`;
    }
    if (next === shown) return;
    const hadFocus = root.contains(document.activeElement);
    shown = next;
    if (next === 'none') root.replaceChildren();
    else if (next === 'done') root.replaceChildren(dismiss);
    else if (next === 'asking') root.replaceChildren(asking);
    else root.replaceChildren(isPaused ? resume : pause, cancel);
    if (hadFocus && (next === 'paused' || next === 'running')) {
      (isPaused ? resume : pause).focus();
    }
  }

  return { update };
}

/** Which controls fit the moment. */
function controlsFor(
  { unsent, phase }: SessionState,
  isAsking: boolean,
  isPaused: boolean,
): 'asking' | 'paused' | 'running' | 'done' | 'none' {
  if (isAsking) return 'asking';
  if (unsent > 0) return isPaused ? 'paused' : 'running';
  return phase === 'done' ? 'done' : 'none';
}
