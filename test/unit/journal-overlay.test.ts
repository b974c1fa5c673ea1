import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Journal } from '../../src/storage/journal.ts';
import { MemoryJournal } from '../../src/storage/memory-journal.ts';
import { OverlayJournal } from '../../src/storage/overlay-journal.ts';
import { change, entriesOf, readEntries } from '../support/journal-conformance.ts';
import { answersOf, commands, obey } from '../support/journal-model.ts';

const handle = async (name: string) => ({ name }) as FileSystemHandle;

describe('memory over a journal that is only read', () => {
  it('answers as if everything had been written to that journal, and changes nothing in it', async () => {
    const property = fc.asyncProperty(commands, commands, async (before, after) => {
      const base = new MemoryJournal();
      const model = new MemoryJournal();
      for (const command of before) {
        await obey(base, command, handle);
        await obey(model, command, handle);
      }
      const stored = await answersOf(base);
      const overlay = new OverlayJournal(base);
      for (const command of after) {
        await obey(overlay, command, handle);
        await obey(model, command, handle);
      }
      expect(await answersOf(overlay)).toEqual(await answersOf(model));
      expect(await answersOf(base)).toEqual(stored);
    });
    await fc.assert(property, { numRuns: 300 });
  });

  it('answers alone once that journal fails, and does not ask it again', async () => {
    let asked = 0;
    class Broken extends MemoryJournal {
      override async sessions(): Promise<never> {
        asked += 1;
        throw new DOMException('gone', 'UnknownError');
      }
    }
    const base: Journal = new Broken();
    await base.write(change('stored', { entries: entriesOf([1]) }));
    const overlay = new OverlayJournal(base);
    await overlay.write(change('own', { entries: entriesOf([2]) }));
    expect((await overlay.sessions('ann')).map(({ id }) => id)).toEqual(['own']);
    expect((await overlay.sessions('ann')).map(({ id }) => id)).toEqual(['own']);
    expect(await readEntries(overlay, 'stored')).toEqual([]);
    expect(asked).toBe(1);
  });

  it('shows nothing of a session whose entries stop coming in the middle', async () => {
    class CutShort extends MemoryJournal {
      override async *entries() {
        yield entriesOf([0, 1]);
        throw new DOMException('gone', 'UnknownError');
      }
    }
    const overlay = new OverlayJournal(new CutShort());
    await overlay.write(change('s1', { entries: entriesOf([9]) }));
    expect(await readEntries(overlay, 's1')).toEqual(entriesOf([9]));
  });
});
