import type { Upload, Uploader } from 'bulkhead';
import { createElement } from 'react';
import { mount, unmount } from 'svelte';
import { get } from 'svelte/store';
import { expect, inject, it, onTestFinished } from 'vitest';
import { createApp, defineComponent, h } from 'vue';
import { Uploads } from '../../examples/frameworks/react-uploads.tsx';
import { snapshotOf, uploadOf } from '../../examples/frameworks/svelte-uploads.ts';
import Component from '../../examples/frameworks/Uploads.svelte';
import { useSelection, useSnapshot, useUploader } from '../../examples/frameworks/vue-uploads.ts';
import { bulkheadAdapter } from '../../src/index.ts';
import { connectFaultServer } from '../../src/testing/client.ts';
import { createFaultWorld, photo, photos } from '../support/fault-world.ts';
import { openReactPage } from '../support/react-page.tsx';

async function spawn() {
  return (await connectFaultServer(inject('faultServerUrl'))).spawn();
}

/** Chooses files in an input as a person does. */
function choose(input: HTMLInputElement | null, files: readonly File[]): void {
  if (!input) throw new Error('There is no input');
  const transfer = new DataTransfer();
  for (const file of files) transfer.items.add(file);
  input.files = transfer.files;
  input.dispatchEvent(new Event('change', { bubbles: true }));
}

it('the React component brings files over and shows where each stands', async () => {
  const server = await spawn();
  await server.plan([{ match: { route: 'put', filename: 'photo-1.jpg' }, do: { status: 400 } }]);
  const page = openReactPage(createElement(Uploads, { baseUrl: server.url }), { strict: true });
  await expect.poll(() => page.element.querySelector('input')).not.toBeNull();
  choose(page.element.querySelector('input'), photos(3));
  const status = () => page.element.querySelector('[role=status]')?.textContent;
  await expect.poll(status).toBe('Uploading 2/3 · Processing 2/3 · Searchable 2/3');
  await expect.poll(page.text).toContain('photo-1.jpg – dead: ');
  await server.plan([]);
  page.element.querySelector('button')?.click();
  await expect.poll(status).toBe('Uploading 3/3 · Processing 3/3 · Searchable 3/3');
});

it('Vue’s refs follow the uploader, and end with the component', async () => {
  const server = await spawn();
  let uploader: Uploader | undefined;
  const rowRenders = new Map<string, number>();
  const Row = defineComponent(
    function Row(props: { of: Uploader; id: string }) {
      const upload = useSelection(props.of, (all) => all.get(props.id));
      return () => {
        rowRenders.set(props.id, (rowRenders.get(props.id) ?? 0) + 1);
        return h('li', upload.value?.status);
      };
    },
    { props: ['of', 'id'] },
  );
  const Page = defineComponent(() => {
    const adapter = bulkheadAdapter({ baseUrl: server.url });
    const made = useUploader({ adapter, storage: false });
    uploader = made;
    const snapshot = useSnapshot(made);
    return () => [
      h('p', `${snapshot.value.searchable}/${snapshot.value.total}`),
      Array.from(made.uploads(), ({ id }) => h(Row, { key: id, of: made, id })),
    ];
  });
  const element = document.body.appendChild(document.createElement('main'));
  onTestFinished(() => element.remove());
  const app = createApp(Page);
  app.mount(element);
  await uploader?.add(photos(4));
  await expect.poll(() => element.textContent).toMatch(/^4\/4(searchable){4}$/);
  const before = [...rowRenders];
  await uploader?.add([photo('one-more.jpg')]);
  await expect.poll(() => element.textContent).toMatch(/^5\/5(searchable){5}$/);
  for (const [id, count] of before) expect(rowRenders.get(id)).toBe(count);
  app.unmount();
  // A destroyed uploader takes nothing more.
  expect(await uploader?.add(photos(1))).toMatchObject({ added: 0 });
});

it('Svelte’s stores follow the uploader, and a row tells of itself alone', async () => {
  const world = await createFaultWorld();
  const snapshot = snapshotOf(world.uploader);
  const totals: number[] = [];
  const stop = snapshot.subscribe(({ searchable }) => totals.push(searchable));
  await world.upload(photos(3));
  await expect.poll(() => totals.at(-1)).toBe(3);
  const [first] = world.uploader.uploads();
  const row = uploadOf(world.uploader, first?.id ?? '');
  const rows: (Upload | undefined)[] = [];
  const stopRow = row.subscribe((upload) => rows.push(upload));
  await world.upload(photos(2).map((file, at) => new File([file], `more-${at}.jpg`, file)));
  await expect.poll(() => get(snapshot).searchable).toBe(5);
  expect(rows.at(-1)?.status).toBe('searchable');
  expect(rows.every((upload, at) => at < 2 || upload !== rows[at - 1])).toBe(true);
  stop();
  stopRow();
  await world.verify();
});

it('the Svelte component brings files over and shows how far it is', async () => {
  const server = await spawn();
  const element = document.body.appendChild(document.createElement('main'));
  onTestFinished(() => element.remove());
  const component = mount(Component, { target: element, props: { baseUrl: server.url } });
  choose(element.querySelector('input'), photos(3));
  const words = () =>
    element.querySelector('[role=status]')?.textContent?.replaceAll(/\s+/g, ' ').trim();
  await expect.poll(words).toBe('Uploading 3/3 · Processing 3/3 · Searchable 3/3');
  await unmount(component);
});
