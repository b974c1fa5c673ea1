import { expect, it } from 'vitest';
import { FileRoots } from '../../src/core/session/file-roots.ts';
import { MemoryJournal } from '../../src/storage/memory-journal.ts';

type Answer = PermissionState | DOMException;

/** A folder that an earlier page was given; `grouped`: those that the same answer is good for. */
function folderOf(name: string, answer: Answer, asked: string[]) {
  const folder = {
    kind: 'directory',
    name,
    permission: 'prompt' as PermissionState,
    grouped: [] as { permission: PermissionState }[],
    queryPermission: async () => folder.permission,
    async requestPermission() {
      asked.push(name);
      if (answer instanceof DOMException) throw answer;
      for (const each of [folder, ...folder.grouped]) each.permission = answer;
      return answer;
    },
  };
  return folder;
}

async function rootsOf(...handles: ReturnType<typeof folderOf>[]) {
  const journal = new MemoryJournal();
  journal.handles = async () =>
    handles.map((handle) => ({
      key: `batch/${handle.name}`,
      handle: handle as unknown as FileSystemHandle,
    }));
  const roots = new FileRoots(journal);
  await roots.load('s');
  return roots;
}

const readable = (roots: FileRoots) => roots.readable('s').map(({ handle }) => handle.name);

it('asks for each folder in turn, and reads those that were allowed', async () => {
  const asked: string[] = [];
  const roots = await rootsOf(folderOf('one', 'denied', asked), folderOf('two', 'granted', asked));
  expect(await roots.request()).toBe(true);
  expect(asked).toEqual(['one', 'two']);
  expect(readable(roots)).toEqual(['two']);
});

it('asks once where one answer is good for all', async () => {
  const asked: string[] = [];
  const one = folderOf('one', 'granted', asked);
  const two = folderOf('two', 'denied', asked);
  one.grouped.push(two);
  const roots = await rootsOf(one, two);
  expect(await roots.request()).toBe(true);
  expect(asked).toEqual(['one']);
  expect(readable(roots)).toEqual(['one', 'two']);
});

it('tells a question that the browser would not ask from a no', async () => {
  const asked: string[] = [];
  const noClick = new DOMException('User activation is required', 'SecurityError');
  const roots = await rootsOf(folderOf('one', 'granted', asked), folderOf('two', noClick, asked));
  expect(await roots.request()).toBe(false);
  expect(readable(roots)).toEqual(['one']);
});

it('takes a folder that is gone for one that may not be read', async () => {
  const gone = new DOMException('No such folder', 'NotFoundError');
  const roots = await rootsOf(folderOf('one', gone, []), folderOf('two', 'granted', []));
  expect(await roots.request()).toBe(true);
  expect(readable(roots)).toEqual(['two']);
});
