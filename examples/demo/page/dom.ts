type Child = Node | string;
type Attributes = Readonly<Record<string, string | number | boolean>>;

/** Makes an element. Text goes in as text nodes, never as markup: file names are hostile input. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false) continue;
    made.setAttribute(name, value === true ? '' : String(value));
  }
  made.append(...children);
  return made;
}

/** The element of index.html with this id. A missing one is a mistake in the page: it says which. */
export function byId<T extends HTMLElement = HTMLElement>(
  id: string,
  type: new () => T = HTMLElement as unknown as new () => T,
): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`index.html has no ${type.name} with id "${id}"`);
  return found;
}

/** Writes only when the text differs, so that an unchanged line costs no layout. */
export function setText(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

export function show(target: HTMLElement, isShown: boolean): void {
  if (target.hidden === isShown) target.hidden = !isShown;
}

/** Calls `paint` once in the next frame, however often it is asked for until then. */
export function framed(paint: () => void): () => void {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      paint();
    });
  };
}

/** Calls `run` now if the last call is `intervalMs` ago, else once when it will be. */
export function throttled(run: () => void, intervalMs: number): () => void {
  let lastMs = Number.NEGATIVE_INFINITY;
  let timer: number | undefined;
  return () => {
    if (timer !== undefined) return;
    const waitMs = Math.max(0, lastMs + intervalMs - performance.now());
    const call = (): void => {
      timer = undefined;
      lastMs = performance.now();
      run();
    };
    if (waitMs === 0) call();
    else timer = window.setTimeout(call, waitMs);
  };
}

/** Calls `run` when it has not been asked for during `waitMs`. */
export function debounced(run: () => void, waitMs: number): { call(): void; cancel(): void } {
  let timer: number | undefined;
  const cancel = (): void => {
    window.clearTimeout(timer);
    timer = undefined;
  };
  return {
    call() {
      cancel();
      timer = window.setTimeout(run, waitMs);
    },
    cancel,
  };
}
