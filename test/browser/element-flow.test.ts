import { afterEach, describe, expect, it } from 'vitest';
import type { BulkheadUploaderEventType } from '../../src/element/events.ts';
import { createElementWorld, type ElementWorld, picture, until } from '../support/element-world.ts';
import { photos } from '../support/fault-world.ts';

let world: ElementWorld | undefined;
afterEach(async () => {
  await world?.remove();
  world = undefined;
});

/** What a person does with the file dialogue. */
function choose(target: ElementWorld, files: readonly File[]): void {
  const input = target.part('files-input');
  if (!(input instanceof HTMLInputElement)) throw new Error('That is no input');
  const list = new DataTransfer();
  for (const file of files) list.items.add(file);
  input.files = list.files;
  input.dispatchEvent(new Event('change', { bubbles: true }));
}

function transferOf(files: readonly File[]): DataTransfer {
  const transfer = new DataTransfer();
  for (const file of files) transfer.items.add(file);
  return transfer;
}

/** Firefox makes such an event without its files. */
function pasteOf(files: readonly File[]): ClipboardEvent {
  const paste = new ClipboardEvent('paste', { cancelable: true, bubbles: true });
  Object.defineProperty(paste, 'clipboardData', { value: transferOf(files) });
  return paste;
}

describe('<bulkhead-uploader>', () => {
  it('brings chosen files from the dialogue to ready to search, stage by stage', async () => {
    world = await createElementWorld();
    expect(world.has('progress')).toBe(false);
    expect(world.part('drop-zone').className).toContain('is-large');
    choose(world, photos(12));
    await world.until(() => world?.text('summary') === 'All 12 files are in the library');
    for (const stage of ['uploaded', 'processed', 'searchable']) {
      expect(world.text(`count-${stage}`)).toBe('12/12');
    }
    expect(world.text('filter-done')).toBe('Done 12');
    expect(world.text('row-status')).toBe('✓ Ready to search');
    expect(world.text('row-name')).toBe('photo-0.jpg');
    expect(world.part('drop-zone').className).toContain('is-compact');
    expect(await world.server.invariants({ uploads: [...world.uploader.uploads()] })).toEqual([]);
  });

  it('says of each row where it stands between uploaded and ready', async () => {
    world = await createElementWorld({ server: { processing: { processMs: 300, embedMs: 300 } } });
    const seen = new Set<string>();
    world.uploader.subscribe(() => {
      if (world?.has('row-status')) seen.add(world.text('row-status'));
    });
    choose(world, photos(1));
    await world.until(() => world?.text('row-status') === '✓ Ready to search');
    expect([...seen]).toEqual(
      expect.arrayContaining(['✓ Uploaded → Processing…', '✓ Processed → Indexing…']),
    );
  });

  it('takes drops and pastes, and says when files were there before', async () => {
    world = await createElementWorld();
    const files = photos(2);
    const { element } = world;
    const over = new DragEvent('dragover', {
      dataTransfer: transferOf(files),
      bubbles: true,
      cancelable: true,
    });
    element.dispatchEvent(over);
    expect(over.defaultPrevented).toBe(true);
    await element.updateComplete;
    expect(element.renderRoot.querySelector<HTMLElement>('.overlay')?.hidden).toBe(false);
    const dropped = new DragEvent('drop', {
      dataTransfer: transferOf(files),
      bubbles: true,
      cancelable: true,
    });
    element.dispatchEvent(dropped);
    await world.until(() => world?.text('summary') === 'Both files are in the library');
    document.dispatchEvent(pasteOf(files));
    await world.until(() => world?.has('notice'));
    expect(world.text('notice')).toBe('2 files had been added before and were left out.');
    world.part('dismiss-notice').click();
    await world.until(() => !world?.has('notice'));
  });

  it('leaves what is pasted into a field to the field', async () => {
    world = await createElementWorld();
    const field = document.createElement('input');
    document.body.append(field);
    field.focus();
    const paste = pasteOf(photos(1));
    field.dispatchEvent(paste);
    expect(paste.defaultPrevented).toBe(false);
    field.remove();
    expect([...world.uploader.uploads()]).toEqual([]);
  });

  it('narrows the list to what is active, done or failed', async () => {
    world = await createElementWorld({ uploader: { restrictions: { maxFileSizeBytes: 10_000 } } });
    choose(world, [...photos(3), new File([new Uint8Array(20_000)], 'big.jpg')]);
    await world.until(() => world?.text('filter-done') === 'Done 3');
    world.part('filter-failed').click();
    await world.until(() => world?.parts('row').length === 1);
    expect(world.text('row-name')).toBe('big.jpg');
    expect(world.text('row-status')).toBe('The file has 20 KB; the most is 9.8 KB.');
    expect(world.part('filter-failed').getAttribute('aria-pressed')).toBe('true');
    world.part('filter-active').click();
    await world.until(() => world?.has('empty'));
    expect(world.text('empty')).toBe('No files are under way.');
  });

  it('counts a rate limit down, and goes on by itself', async () => {
    world = await createElementWorld({
      server: {
        plan: [
          {
            match: { route: 'put', nth: 1 },
            do: { status: 429, headers: { 'retry-after': '2' } },
            times: 1,
          },
        ],
      },
    });
    choose(world, photos(1));
    await world.until(() => world?.has('banner'));
    expect(world.text('banner')).toMatch(/^Upload rate limited\. Retrying in [123] s…$/);
    await world.until(() => world?.text('summary') === 'Your file is in the library');
    expect(world.has('banner')).toBe(false);
  });

  it('pauses, resumes, and cancels the rest after one question', async () => {
    world = await createElementWorld({ server: { behaviour: { latencyMs: 200 } } });
    choose(world, photos(40));
    await world.until(() => world?.has('pause'));
    world.part('pause').click();
    await world.until(() => world?.has('resume'));
    expect(world.text('banner')).toContain('Paused.');
    world.part('resume').click();
    await world.until(() => world?.has('pause'));
    world.part('cancel').click();
    await world.until(() => world?.has('cancel-keep'));
    expect(world.text('question')).toContain('not sent yet?');
    world.part('cancel-keep').click();
    await world.until(() => world?.has('cancel'));
    world.part('cancel').click();
    await world.until(() => world?.has('cancel-confirm'));
    world.part('cancel-confirm').click();
    await world.until(() => world?.part('progress').dataset.phase === 'done');
    expect(world.text('figures')).toContain('cancelled');
  });

  it('groups what failed by its cause in words, tells what was tried, and retries all of it', async () => {
    world = await createElementWorld({
      server: { plan: [{ match: { route: 'put' }, do: { status: 400 } }] },
    });
    choose(world, [...photos(3), new File([], 'empty.jpg')]);
    await world.until(() => world?.parts('cause').length === 2 && world?.has('retry-cause'));
    const [refused, empty] = world.parts('cause');
    // They fail one after the other.
    await until(() => /3\s+The object store refused the bytes\./.test(refused?.textContent ?? ''));
    expect(empty?.textContent).toMatch(/The file is empty\.\s+There is nothing to upload\./);
    refused?.querySelector<HTMLElement>('[part~=cause-toggle]')?.click();
    await world.until(() => world?.parts('failed-file').length === 3);
    world.part('details').click();
    await world.until(() => world?.has('attempts'));
    expect(world.text('attempts')).toContain('store_refused');

    await world.server.plan([]);
    world.part('retry-cause').click();
    await world.until(() => world?.text('summary') === 'All 3 files are in the library');
    expect(world.parts('cause')).toHaveLength(1);
    world.part('dismiss-failures').click();
    await world.until(() => !world?.has('failures'));
  });

  it('gives dead letters to keep as CSV', async () => {
    world = await createElementWorld();
    choose(world, [new File([], 'empty.jpg')]);
    await world.until(() => world?.has('export-csv'));
    const clicked = new Promise<HTMLAnchorElement>((resolve) => {
      const click = HTMLAnchorElement.prototype.click;
      HTMLAnchorElement.prototype.click = function (): void {
        HTMLAnchorElement.prototype.click = click;
        resolve(this);
      };
    });
    world.part('export-csv').click();
    const link = await clicked;
    expect(link.download).toBe('failed-uploads.csv');
    expect(await (await fetch(link.href)).text()).toContain('empty.jpg');
  });

  it('shows a file’s own picture while it is not stored, and gives its URL back', async () => {
    const revoked: string[] = [];
    const revoke = URL.revokeObjectURL;
    URL.revokeObjectURL = (url) => {
      revoked.push(url);
      revoke.call(URL, url);
    };
    world = await createElementWorld({ uploader: { autoStart: false } });
    choose(world, [await picture('green.png')]);
    const image = await world.until(() => world?.part('thumbnail').querySelector('img'));
    expect(image.src).toMatch(/^blob:/);
    await world.remove();
    await until(() => revoked.includes(image.src));
    URL.revokeObjectURL = revoke;
    world = undefined;
  });

  it('makes an uploader of its own from attributes, and ends it when it leaves the page', async () => {
    const { server, ...first } = await createElementWorld();
    world = { server, ...first };
    const element = document.createElement('bulkhead-uploader');
    element.setAttribute('endpoint', server.url);
    element.setAttribute('accept', 'image/*');
    element.setAttribute('no-leave-warning', '');
    document.body.append(element);
    await element.updateComplete;
    const { uploader } = element;
    if (!uploader) return expect.fail('There is no uploader');
    await element.add([...photos(2), new File(['text'], 'notes.txt', { type: 'text/plain' })]);
    await uploader.done();
    expect(uploader.getSnapshot()).toMatchObject({ searchable: 2, failed: 1 });
    // Moved within the page, it goes on with the same one.
    document.body.prepend(element);
    await Promise.resolve();
    expect(element.uploader).toBe(uploader);
    element.remove();
    await Promise.resolve();
    expect(element.uploader).toBeUndefined();
  });

  it('tells the page what happens', async () => {
    world = await createElementWorld({ uploader: { restrictions: { maxFileSizeBytes: 10_000 } } });
    const heard: BulkheadUploaderEventType[] = [];
    const types: BulkheadUploaderEventType[] = [
      'bulkhead-adding',
      'bulkhead-added',
      'bulkhead-phase-changed',
      'bulkhead-upload-failed',
      'bulkhead-drained',
    ];
    for (const type of types) document.body.addEventListener(type, () => heard.push(type));
    choose(world, [...photos(1), new File([new Uint8Array(20_000)], 'big.jpg')]);
    await world.until(() => heard.includes('bulkhead-drained'));
    expect(new Set(heard)).toEqual(new Set(types));
  });

  it('asks before the page is left only while files are not sent', async () => {
    world = await createElementWorld({
      uploader: { autoStart: false },
      element: { noLeaveWarning: false },
    });
    const isAsked = () => {
      const event = new Event('beforeunload', { cancelable: true });
      window.dispatchEvent(event);
      return event.defaultPrevented;
    };
    expect(isAsked()).toBe(false);
    choose(world, photos(1));
    await world.until(isAsked);
    world.uploader.start();
    await world.until(() => !isAsked());
  });
});
