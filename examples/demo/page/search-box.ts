import { byId, debounced } from './dom.ts';

/** Long enough that typing a word asks once or twice, short enough to feel immediate. */
const WAIT_MS = 180;

/**
 * The search field: `/` goes there from anywhere, Escape clears it and leaves.
 *
 * @param onSearch the words, '' when the field was cleared
 */
export function connectSearchBox(onSearch: (text: string) => void): { clear(): void } {
  const input = byId('search', HTMLInputElement);
  let asked = '';
  const ask = (): void => {
    const text = input.value.trim();
    if (text === asked) return;
    asked = text;
    onSearch(text);
  };
  const later = debounced(ask, WAIT_MS);
  const now = (): void => {
    later.cancel();
    ask();
  };

  input.addEventListener('input', () => (input.value === '' ? now() : later.call()));
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') now();
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    input.value = '';
    now();
    input.blur();
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping(event.target) || document.querySelector('dialog[open]') !== null) return;
    event.preventDefault();
    input.focus();
    input.select();
  });
  return {
    clear() {
      later.cancel();
      input.value = '';
      asked = '';
    },
  };
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
}
