import { byId, show } from './dom.ts';

/** What a person can hand over: all of it goes to `uploader.add`. */
export type Picked = FileList | File[] | DataTransfer;

/**
 * Files and folders come in by drop (anywhere in the window), by the two buttons and by paste.
 *
 * @param take called in the event itself: a DataTransfer is empty one turn later
 */
export function connectDropZone(take: (picked: Picked) => void): void {
  connectButton('choose-photos', 'photos-input', take);
  connectButton('choose-folder', 'folder-input', take);
  connectDrop(take);
  document.addEventListener('paste', (event) => {
    const files = event.clipboardData?.files;
    if (files === undefined || files.length === 0) return;
    event.preventDefault();
    take([...files]);
  });
}

function connectButton(buttonId: string, inputId: string, take: (picked: Picked) => void): void {
  const input = byId(inputId, HTMLInputElement);
  byId(buttonId).addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    if (input.files === null || input.files.length === 0) return;
    // Emptying the input below empties its FileList too.
    take([...input.files]);
    // The same folder chosen again must be a change.
    input.value = '';
  });
}

function connectDrop(take: (picked: Picked) => void): void {
  const overlay = byId('drop-overlay');
  const hasFiles = (event: DragEvent): boolean =>
    event.dataTransfer?.types.includes('Files') ?? false;

  document.addEventListener('dragover', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = 'copy';
    show(overlay, true);
  });
  document.addEventListener('dragleave', (event) => {
    // Leaving the window, not merely passing from one element to the next.
    if (event.relatedTarget === null) show(overlay, false);
  });
  document.addEventListener('drop', (event) => {
    show(overlay, false);
    if (!hasFiles(event) || !event.dataTransfer) return;
    event.preventDefault();
    take(event.dataTransfer);
  });
}
