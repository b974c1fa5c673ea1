import type { Upload, Uploader } from 'bulkhead';
import { useUploads } from 'bulkhead/react';
import { memo, useState } from 'react';
import { hydrateRoot } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import { expect, it } from 'vitest';
import { createFaultWorld, photo, photos } from '../support/fault-world.ts';
import { openReactPage } from '../support/react-page.tsx';

/** What each render of a row saw. */
type Renders = Map<string, (Upload | undefined)[]>;

function listOf(renders: Renders, onList: () => void) {
  const Row = memo(function Row({ uploader, id }: { uploader: Uploader; id: string }) {
    const upload = useUploads(uploader, ({ get }) => get(id));
    renders.set(id, [...(renders.get(id) ?? []), upload]);
    return <li>{upload?.status}</li>;
  });
  return function List({ uploader }: { uploader: Uploader }) {
    const ids = useUploads(uploader, (view) => view.ids);
    onList();
    return ids.map((id) => <Row key={id} uploader={uploader} id={id} />);
  };
}

it('a row renders when its own upload changed and never else', async () => {
  const world = await createFaultWorld();
  const renders: Renders = new Map();
  let lists = 0;
  const List = listOf(renders, () => {
    lists += 1;
  });
  const page = openReactPage(<List uploader={world.uploader} />);
  await world.upload(photos(60));
  await expect.poll(() => page.element.querySelectorAll('li').length).toBe(60);
  await expect.poll(page.text).toBe('searchable'.repeat(60));
  const listsBefore = lists;
  const before = new Map([...renders].map(([id, seen]) => [id, seen.length]));

  // One more file, while all others are done: only the list and that file's row render.
  await world.upload([photo('one-more.jpg')]);
  await expect.poll(page.text).toBe('searchable'.repeat(61));
  for (const [id, count] of before) expect(renders.get(id)).toHaveLength(count);
  expect(lists).toBe(listsBefore + 1);
  for (const seen of renders.values()) {
    seen.forEach((upload, at) => {
      expect(upload).not.toBe(seen[at - 1] ?? null);
    });
  }
  await world.verify();
});

it('a selection that makes a new object each time renders only when an entry changed', async () => {
  const world = await createFaultWorld();
  const seen: { total: number; failed: number }[] = [];
  function Totals() {
    const totals = useUploads(world.uploader, ({ snapshot: { total, failed } }) => ({
      total,
      failed,
    }));
    seen.push(totals);
    return `${totals.total}, ${totals.failed}`;
  }
  const page = openReactPage(<Totals />);
  await world.upload(photos(20));
  await expect.poll(page.text).toBe('20, 0');
  const texts = seen.map(({ total, failed }) => `${total}, ${failed}`);
  expect(texts).toEqual([...new Set(texts)]);
  await world.verify();
});

it('a selector that depends on props selects anew at once', async () => {
  const world = await createFaultWorld();
  await world.upload(photos(2));
  const [one, other] = [...world.uploader.uploads()].map(({ id }) => id);
  let choose: (id: string) => void = () => {};
  function Name() {
    const [id, setId] = useState(one ?? '');
    choose = setId;
    return useUploads(world.uploader, (view) => view.get(id)?.name);
  }
  const page = openReactPage(<Name />, { strict: true });
  await expect.poll(page.text).toBe('photo-0.jpg');
  choose(other ?? '');
  await expect.poll(page.text).toBe('photo-1.jpg');
  await world.verify();
});

it('without a selector it is every upload, the same list until one changes', async () => {
  const world = await createFaultWorld();
  const lists: (readonly Upload[])[] = [];
  function Names() {
    const uploads = useUploads(world.uploader);
    lists.push(uploads);
    return uploads.map(({ name }) => name).join();
  }
  const page = openReactPage(<Names />);
  await world.upload(photos(3));
  await expect.poll(page.text).toBe('photo-0.jpg,photo-1.jpg,photo-2.jpg');
  await expect
    .poll(() =>
      lists
        .at(-1)
        ?.map(({ status }) => status)
        .join(),
    )
    .toBe('searchable,searchable,searchable');
  lists.forEach((list, at) => {
    expect(list).not.toEqual(lists[at - 1] ?? null);
  });
  await world.verify();
});

it('an equality of your own decides what is worth a render', async () => {
  const world = await createFaultWorld();
  const shown: number[] = [];
  const tens = (count: number) => Math.floor(count / 10);
  function Tens() {
    const searchable = useUploads(
      world.uploader,
      ({ snapshot }) => snapshot.searchable,
      (count, other) => tens(count) === tens(other),
    );
    shown.push(tens(searchable));
    return `${tens(searchable)}`;
  }
  const page = openReactPage(<Tens />);
  await world.upload(photos(35));
  await expect.poll(page.text).toBe('3');
  expect(shown).toEqual([...new Set(shown)]);
  await world.verify();
});

it('nobody listens any more after the last component is gone', async () => {
  const world = await createFaultWorld();
  let listeners = 0;
  const subscribe = world.uploader.subscribe.bind(world.uploader);
  world.uploader.subscribe = (listener) => {
    listeners += 1;
    const unsubscribe = subscribe(listener);
    return () => {
      listeners -= 1;
      unsubscribe();
    };
  };
  const List = listOf(new Map(), () => {});
  const page = openReactPage(<List uploader={world.uploader} />, { strict: true });
  await world.upload(photos(4));
  await expect.poll(() => listeners).toBe(5);
  page.unmount();
  expect(listeners).toBe(0);
  await world.verify();
});

it('a page that has uploads already is hydrated without a mismatch, and then shows them', async () => {
  const world = await createFaultWorld();
  await world.upload(photos(3));
  const List = listOf(new Map(), () => {});
  const element = document.body.appendChild(document.createElement('main'));
  element.innerHTML = renderToString(<List uploader={world.uploader} />);
  expect(element.textContent).toBe('');
  const complaints: unknown[] = [];
  const root = hydrateRoot(element, <List uploader={world.uploader} />, {
    onRecoverableError: (error) => complaints.push(error),
  });
  await expect.poll(() => element.textContent).toBe('searchable'.repeat(3));
  expect(complaints).toEqual([]);
  root.unmount();
  element.remove();
  await world.verify();
});
