import { SessionError, type SessionInfo, type Uploader } from 'bulkhead';
import { byId, element, framed, setText, show } from './dom.ts';
import { formatCount, formatCounted } from './format.ts';
import { icon } from './icons.ts';
import { elsewhereWords, interruptedWords, waitingWords } from './session-words.ts';

/** How long the question stands before "Discard" is harmless again. */
const ASK_MS = 5_000;

interface Row {
  readonly root: HTMLElement;
  update(): void;
}

/**
 * What earlier visits and other tabs began: to resume or to discard; and what waits for its files or
 * for a permission.
 */
export function connectSessions(uploader: Uploader, toast: (words: string) => void): void {
  const panel = byId('sessions');
  const { sessions } = uploader;
  const rows = new Map<string, Row>();

  const paint = framed(() => {
    const { needsFile, needsPermission } = uploader.getSnapshot();
    const wanted = new Map<string, () => Row>();
    if (needsPermission > 0) wanted.set('permission', () => permissionRow(uploader, toast));
    if (needsFile > 0) wanted.set('files', () => filesRow(uploader));
    for (const { id, state } of sessions.getSnapshot()) {
      if (state === 'interrupted') wanted.set(id, () => interruptedRow(uploader, id, toast));
      if (state === 'elsewhere') wanted.set(`${id} elsewhere`, () => elsewhereRow(uploader, id));
    }
    for (const [key, row] of rows) {
      if (wanted.has(key)) continue;
      row.root.remove();
      rows.delete(key);
    }
    for (const [key, create] of wanted) {
      if (rows.has(key)) continue;
      const row = create();
      rows.set(key, row);
      panel.append(row.root);
    }
    for (const row of rows.values()) row.update();
    show(panel, rows.size > 0);
  });

  sessions.subscribe(paint);
  uploader.subscribe(paint);
  uploader.on('journal-degraded', () =>
    toast('This browser keeps no record of uploads: leave this tab open until all is sent.'),
  );
  paint();
}

function rowOf(kind: 'calm' | 'alert', testId: string, ...buttons: HTMLElement[]) {
  const title = element('strong', {});
  const words = element('span', {});
  const text = element('p', { class: 'session-row-words' }, title, ' ', words);
  const root = element(
    'div',
    { class: `session-row is-${kind}`, 'data-testid': testId },
    icon('wait'),
    text,
    element('div', { class: 'session-row-buttons' }, ...buttons),
  );
  const say = ([head, rest]: readonly [string, string]) => {
    setText(title, head);
    setText(words, rest);
  };
  return { root, say };
}

function button(label: string, className: string, testId: string): HTMLButtonElement {
  const attributes = { type: 'button', class: `button small ${className}`, 'data-testid': testId };
  return element('button', attributes, label);
}

function interruptedRow(uploader: Uploader, id: string, toast: (words: string) => void): Row {
  const resume = button('Resume', 'primary', 'session-resume');
  const discard = button('Discard', 'quiet', 'session-discard');
  const { root, say } = rowOf('calm', 'session-interrupted', discard, resume);
  const find = () => infoOf(uploader, id);

  const run = async (act: () => Promise<unknown>) => {
    resume.disabled = true;
    discard.disabled = true;
    try {
      await act();
    } catch (error) {
      if (!(error instanceof SessionError)) throw error;
      toast(error.message);
      await uploader.sessions.refresh();
    } finally {
      resume.disabled = false;
      discard.disabled = false;
    }
  };
  resume.addEventListener('click', () => {
    resume.textContent = 'Resuming…';
    void run(() => uploader.sessions.resume(id));
  });
  discard.addEventListener('click', () => {
    if (discard.dataset.asked === undefined) {
      discard.dataset.asked = '';
      discard.classList.replace('quiet', 'danger');
      discard.textContent = `Leave ${formatCounted(find()?.left ?? 0, 'photo')} out`;
      setTimeout(() => {
        delete discard.dataset.asked;
        discard.classList.replace('danger', 'quiet');
        discard.textContent = 'Discard';
      }, ASK_MS);
      return;
    }
    void run(async () => {
      await uploader.sessions.discard(id);
      toast('The rest was left out. What was sent stays in your library.');
    });
  });
  return {
    root,
    update() {
      const info = find();
      if (info) say(interruptedWords(info, Date.now()));
    },
  };
}

function elsewhereRow(uploader: Uploader, id: string): Row {
  const { root, say } = rowOf('calm', 'session-elsewhere');
  return {
    root,
    update() {
      const info = infoOf(uploader, id);
      if (info) say(elsewhereWords(info));
    },
  };
}

function permissionRow(uploader: Uploader, toast: (words: string) => void): Row {
  const allow = button('Allow reading', 'primary', 'session-allow');
  const { root, say } = rowOf('alert', 'session-permission', allow);
  allow.addEventListener('click', async () => {
    try {
      const found = await uploader.sessions.requestPermission();
      if (found === 0) toast('Without that permission, choose the folder again.');
    } catch (error) {
      if (!(error instanceof SessionError)) throw error;
      toast('Your browser did not ask about every folder. Click again for the rest.');
    }
  });
  return {
    root,
    update() {
      const { needsPermission } = uploader.getSnapshot();
      say([
        `${waitingWords(needsPermission)} for your permission.`,
        'Your browser asks; then uploading goes on where it was.',
      ]);
    },
  };
}

function filesRow(uploader: Uploader): Row {
  const folder = button('Choose the folder', 'primary', 'session-folder');
  const photos = button('Choose photos', '', 'session-photos');
  folder.addEventListener('click', () => byId('folder-input').click());
  photos.addEventListener('click', () => byId('photos-input').click());
  const { root, say } = rowOf('alert', 'session-files', photos, folder);
  return {
    root,
    update() {
      const { needsFile, uploaded } = uploader.getSnapshot();
      const done = uploaded > 0 ? ` The ${formatCount(uploaded)} that are done are skipped.` : '';
      say([
        `${waitingWords(needsFile)} for their files.`,
        `Drop or choose the same ones again.${done}`,
      ]);
    },
  };
}

const infoOf = (uploader: Uploader, id: string): SessionInfo | undefined =>
  uploader.sessions.getSnapshot().find((session) => session.id === id);
