import fc from 'fast-check';
import type { Journal } from '../../src/storage/journal.ts';
import { MemoryJournal } from '../../src/storage/memory-journal.ts';
import {
  change,
  checksumOf,
  entriesOf,
  type JournalUnderTest,
  readEntries,
  sessionRecord,
} from './journal-conformance.ts';

/** Something that a page does to its journal. */
export type JournalCommand =
  | {
      readonly type: 'write';
      readonly session: string;
      readonly scope: string;
      readonly updatedMs: number;
      readonly seqs: readonly number[];
      readonly version: number;
      readonly removed: readonly number[];
      readonly checksums: readonly number[];
    }
  | { readonly type: 'remove'; readonly session: string }
  | { readonly type: 'forget-checksum'; readonly number: number }
  | { readonly type: 'keep-copy' | 'remove-copy'; readonly session: string; readonly seq: number }
  | { readonly type: 'keep-handle'; readonly session: string; readonly key: string }
  /** The page goes, another one comes. */
  | { readonly type: 'reopen' };

const SESSIONS = ['s', 's1', 'другая'];
const session = fc.constantFrom(...SESSIONS);
// Few, so that they meet, and among them those at the edges of records.
const seq = fc.oneof(fc.nat(20), fc.nat(200));
const checksum = fc.nat(8);

export const commands: fc.Arbitrary<readonly JournalCommand[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        type: fc.constant('write' as const),
        session,
        scope: fc.constantFrom('ann', 'bob'),
        updatedMs: fc.nat(50),
        seqs: fc.oneof(
          fc.array(seq, { maxLength: 12 }),
          fc
            .record({ from: fc.nat(100), count: fc.nat(150) })
            .map(({ from, count }) => Array.from({ length: count }, (_, at) => from + at)),
        ),
        version: fc.nat(1000),
        removed: fc.oneof(fc.constant([]), fc.array(seq, { maxLength: 80 })),
        checksums: fc.array(checksum, { maxLength: 3 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('remove' as const), session }) },
    {
      weight: 1,
      arbitrary: fc.record({ type: fc.constant('forget-checksum' as const), number: checksum }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constantFrom('keep-copy' as const, 'remove-copy' as const),
        session,
        seq: fc.nat(20),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant('keep-handle' as const),
        session,
        key: fc.constantFrom('a', 'b', 'ä'),
      }),
    },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('reopen' as const) }) },
  ),
  { maxLength: 30, size: 'max' },
);

/** Does one command; `reopen` is left to the caller. */
export async function obey(
  journal: Journal,
  command: JournalCommand,
  handle: (name: string) => Promise<FileSystemHandle>,
): Promise<void> {
  switch (command.type) {
    case 'write': {
      const { scope, updatedMs, seqs, version, removed, checksums } = command;
      return journal.write(
        change(command.session, {
          session: sessionRecord(command.session, { scope, updatedMs }),
          entries: entriesOf(seqs, version),
          removed,
          checksums: checksums.map((number) => ({
            fingerprint: `f${number}`,
            checksum: checksumOf(number + version),
            usedMs: updatedMs,
          })),
        }),
      );
    }
    case 'remove':
      return journal.remove(command.session);
    case 'forget-checksum':
      return journal.forgetChecksum(`f${command.number}`);
    case 'keep-copy':
      return journal.keepCopy(command.session, command.seq, new Blob([String(command.seq)]));
    case 'remove-copy':
      return journal.removeCopy(command.session, command.seq);
    case 'keep-handle': {
      const kept = { key: command.key, handle: await handle(command.key) };
      await journal.keepHandle(command.session, kept);
    }
  }
}

/** Everything that a journal can be asked about what {@link commands} write. */
export async function answersOf(journal: Journal): Promise<unknown> {
  const sessions = SESSIONS.map(async (id) => {
    const copies = await journal.copies(id);
    const bytes = copies.map(async (at) => (await journal.copy(id, at))?.text());
    const handles = await journal.handles(id);
    return {
      entries: await readEntries(journal, id),
      copies,
      bytes: await Promise.all(bytes),
      handles: handles.map(({ key, handle }) => [key, handle.name]),
    };
  });
  return {
    ann: await journal.sessions('ann'),
    bob: await journal.sessions('bob'),
    checksums: await journal.checksums(Array.from({ length: 9 }, (_, at) => `f${at}`)),
    sessions: await Promise.all(sessions),
  };
}

/**
 * Does random commands to a journal and to one in memory.
 *
 * @param compare called with the answers of both: after a third of the commands, and at the end
 */
export async function checkAgainstMemory(
  create: () => JournalUnderTest | Promise<JournalUnderTest>,
  compare: (answers: unknown, expected: unknown) => void,
  numRuns: number,
): Promise<void> {
  const property = fc.asyncProperty(commands, async (todo) => {
    const world = await create();
    const model = new MemoryJournal();
    let journal = await world.open();
    try {
      for (const [at, command] of todo.entries()) {
        if (command.type === 'reopen') {
          journal.close();
          journal = await world.open();
        } else {
          await obey(journal, command, world.handle);
          const isRefused = command.type === 'keep-handle' && !world.keepsHandles;
          if (!isRefused) await obey(model, command, world.handle);
        }
        if (at % 3 === 0) compare(await answersOf(journal), await answersOf(model));
      }
      compare(await answersOf(journal), await answersOf(model));
    } finally {
      journal.close();
      await world.dispose();
    }
  });
  await fc.assert(property, { numRuns });
}
