import { expect, it } from 'vitest';
import { browserStorage } from '../../src/storage/browser-storage.ts';
import { VirtualRuntime } from '../support/virtual-runtime.ts';

it('outside of a page nothing is kept, and nothing is said of it', async () => {
  const runtime = new VirtualRuntime();
  const said: Error[] = [];
  const { journal } = browserStorage({
    databaseName: 'bulkhead',
    scope: '',
    runtime,
    onDegraded: (error) => said.push(error),
  });
  expect(await journal.sessions('')).toEqual([]);
  await runtime.advance(60_000);
  expect(journal.isDurable).toBe(false);
  expect(said).toEqual([]);
});
