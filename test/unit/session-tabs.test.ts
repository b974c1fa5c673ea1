import { expect, it } from 'vitest';
import { SessionTabs } from '../../src/core/session/session-tabs.ts';
import type { Snapshot } from '../../src/core/types.ts';
import type { SessionMessage } from '../../src/storage/session-channel.ts';
import { VirtualRuntime } from '../support/virtual-runtime.ts';

/** Tabs that hear one another, and what each said. */
function createRoom() {
  const runtime = new VirtualRuntime();
  const listeners = new Map<string, (message: SessionMessage) => void>();
  const said: string[] = [];
  const open = (name: string, files: [number, File][] = []) =>
    new SessionTabs({
      runtime,
      channel: {
        isAvailable: true,
        post(message) {
          said.push(`${name}: ${message.type}`);
          for (const [other, hear] of listeners) if (other !== name) hear(message);
        },
        onMessage(listener) {
          listeners.set(name, listener);
          return () => listeners.delete(name);
        },
        close() {},
      },
      sessionIds: () => (files.length > 0 ? [name] : []),
      snapshotOf: () => ({}) as Snapshot,
      filesOf: () => files,
      onProgress() {},
      onEnded() {},
    });
  return { open, said, runtime };
}

const file = new File(['one'], 'one.jpg');

it('a tab that opens is given every file once, and gives its own', () => {
  const { open, said } = createRoom();
  const owner = open('owner', [[0, file]]);
  const newcomer = open('newcomer', [[0, file]]);
  expect(said.filter((each) => each === 'owner: files')).toHaveLength(1);
  expect(said.filter((each) => each === 'newcomer: files')).toHaveLength(1);
  expect(newcomer.takeFiles('owner').size).toBe(1);
  expect(owner.takeFiles('newcomer').size).toBe(1);
});

it('a third tab learns that it is not alone, and tells of what it adds from then on', async () => {
  const { open, said, runtime } = createRoom();
  open('owner', [[0, file]]);
  open('second');
  const added: [number, File][] = [];
  const third = open('third', added);
  await runtime.advance(1);
  expect(said.filter((each) => each === 'owner: files')).toHaveLength(2);
  added.push([0, file]);
  third.shared('third', 0, file);
  third.changed();
  await runtime.advance(1_000);
  expect(said.filter((each) => each === 'third: files')).toHaveLength(1);
});

it('gives the page its turn between messages, however many files there are', async () => {
  const { open, said, runtime } = createRoom();
  const files = Array.from({ length: 100_000 }, (_, seq): [number, File] => [seq, file]);
  open('owner', files);
  let turns = 0;
  const { yieldToPage } = runtime;
  runtime.yieldToPage = () => {
    turns += 1;
    return yieldToPage.call(runtime);
  };
  const newcomer = open('newcomer');
  const messages = () => said.filter((each) => each === 'owner: files').length;
  expect(messages()).toBe(1);
  await runtime.advance(1_000);
  expect(messages()).toBe(1_000);
  expect(turns).toBe(1_000);
  expect(newcomer.takeFiles('owner').size).toBe(100_000);
});

it('says no more of a session that ended meanwhile', async () => {
  const { open, said, runtime } = createRoom();
  const files = Array.from({ length: 2_000 }, (_, seq): [number, File] => [seq, file]);
  open('owner', files);
  open('newcomer');
  files.length = 0;
  await runtime.advance(1_000);
  expect(said.filter((each) => each === 'owner: files')).toHaveLength(1);
});

it('says no more when its page has ended', async () => {
  const { open, said, runtime } = createRoom();
  const files = Array.from({ length: 2_000 }, (_, seq): [number, File] => [seq, file]);
  const owner = open('owner', files);
  open('newcomer');
  owner.dispose();
  await runtime.advance(1_000);
  expect(said.filter((each) => each === 'owner: files')).toHaveLength(1);
  expect(runtime.errors).toEqual([]);
});
