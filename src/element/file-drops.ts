import type { Picked } from './parts/drop-zone.ts';

export interface FileDropsOptions {
  /** Where files may be dropped. */
  readonly target: EventTarget;
  /** Called in the event itself: a DataTransfer is empty one turn later. */
  readonly onTake: (picked: Picked) => void;
  /** Files are held over the target, or no longer. */
  readonly onOver: (isOver: boolean) => void;
}

const hasFiles = (event: DragEvent): boolean =>
  event.dataTransfer?.types.includes('Files') ?? false;

/** Takes files and folders that are dropped on the element, or anywhere in the window. @returns the end of it */
export function takeDrops({ target, onTake, onOver }: FileDropsOptions): () => void {
  const ended = new AbortController();
  const on = <E extends Event>(type: string, listener: (event: E) => void): void =>
    target.addEventListener(type, listener as (event: Event) => void, { signal: ended.signal });

  on<DragEvent>('dragover', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = 'copy';
    onOver(true);
  });
  on<DragEvent>('dragleave', (event) => {
    // Leaving for outside, not merely passing from one element to the next.
    const next = event.relatedTarget;
    const isInside = next instanceof Node && target instanceof Node && target.contains(next);
    if (next === null || (target instanceof Node && !isInside)) onOver(false);
  });
  on<DragEvent>('drop', (event) => {
    onOver(false);
    if (!hasFiles(event) || !event.dataTransfer || event.defaultPrevented) return;
    event.preventDefault();
    onTake(event.dataTransfer);
  });
  return () => ended.abort();
}

/**
 * Takes files that are pasted while the focus is in the element, or nowhere: what is pasted into a field
 * belongs to the field. @returns the end of it
 */
export function takePastes(host: Element, onTake: (picked: Picked) => void): () => void {
  const ended = new AbortController();
  document.addEventListener(
    'paste',
    (event) => {
      const files = event.clipboardData?.files;
      if (event.defaultPrevented || !files?.length) return;
      const focused = document.activeElement;
      if (focused !== null && focused !== document.body && focused !== host) return;
      event.preventDefault();
      onTake([...files]);
    },
    { signal: ended.signal },
  );
  return () => ended.abort();
}
