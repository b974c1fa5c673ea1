const storageKey = 'bulkhead-theme';

/**
 * The page follows the system's light or dark setting until the button is pressed; after that this
 * browser remembers the choice. Colours are `light-dark()` pairs, so only `color-scheme` changes.
 *
 * @param onTheme told what holds, now and whenever it changes
 */
export function connectTheme(
  button: HTMLButtonElement,
  onTheme: (theme: 'light' | 'dark') => void,
): void {
  const systemDark = window.matchMedia('(prefers-color-scheme: dark)');
  const root = document.documentElement;
  const current = (): 'light' | 'dark' => {
    const chosen = root.dataset.theme;
    if (chosen === 'light' || chosen === 'dark') return chosen;
    return systemDark.matches ? 'dark' : 'light';
  };
  const label = (): void => {
    onTheme(current());
    button.setAttribute(
      'aria-label',
      current() === 'dark' ? 'Use light colours' : 'Use dark colours',
    );
    button.title = button.getAttribute('aria-label') ?? '';
  };
  const stored = readStored();
  if (stored !== null) root.dataset.theme = stored;
  label();
  systemDark.addEventListener('change', label);
  button.addEventListener('click', () => {
    const next = current() === 'dark' ? 'light' : 'dark';
    root.dataset.theme = next;
    writeStored(next);
    label();
  });
}

/** Storage may be blocked: then the choice lasts until the page is closed. */
function readStored(): 'light' | 'dark' | null {
  try {
    const value = localStorage.getItem(storageKey);
    return value === 'light' || value === 'dark' ? value : null;
  } catch {
    return null;
  }
}

function writeStored(value: string): void {
  try {
    localStorage.setItem(storageKey, value);
  } catch {
    // Nothing to do: see readStored.
  }
}
