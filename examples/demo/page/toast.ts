import { element } from './dom.ts';

const SHOWN_MS = 5000;

/** A passing remark at the foot of the page, read out too. */
export function createToast(): (words: string) => void {
  const box = element('div', { class: 'toast', role: 'status', 'data-testid': 'toast' });
  document.body.append(box);
  let timer: number | undefined;
  return (words) => {
    window.clearTimeout(timer);
    box.textContent = words;
    box.classList.add('is-shown');
    timer = window.setTimeout(() => box.classList.remove('is-shown'), SHOWN_MS);
  };
}
