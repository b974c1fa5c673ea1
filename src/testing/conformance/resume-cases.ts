import { expectStored } from './adapter-cases.ts';
import type { AdapterCases, AdapterWorld } from './adapter-world.ts';
import { eventually, expectEqual, expectThat, rejectionOf } from './expectations.ts';
import type { TestFile } from './test-file.ts';

const MIB = 1024 * 1024;

/** Sends so much of it and stops, as a pause or a lost page does. */
async function sendSome(world: AdapterWorld, file: TestFile, bytes: number) {
  await world.backend.faults?.slowDown(12 * MIB);
  const credential = await world.grant(file);
  const { outcome, progress, controller } = world.put(credential, file);
  await eventually(() => (progress.at(-1) ?? 0) >= bytes, `${bytes} bytes are sent`, 20_000);
  controller.abort();
  expectEqual((await rejectionOf(outcome, 'Stopping')).code, 'cancelled', 'The code');
  return credential;
}

/** For adapters that go on where they stopped. */
export function resumeCases(largeBytes: number): AdapterCases {
  return {
    'a large file goes on where it stopped, after a reload too': async (world) => {
      const file = await world.file({ sizeBytes: largeBytes });
      await sendSome(world, file, largeBytes * 0.6);
      await world.backend.reset();
      world.reload();
      const credential = await world.grant(file);
      const { outcome, progress } = world.put(credential, file);
      await outcome;
      const received = (await world.backend.countReceivedBytes?.()) ?? 0;
      expectThat(received < largeBytes * 0.9, `Not all of it is sent again: ${received} bytes`);
      const first = progress[0] ?? 0;
      expectThat(first > largeBytes * 0.1, `Progress begins with what is there: ${first}`);
      expectEqual(progress.at(-1), largeBytes, 'The last progress');
      await expectStored(world, await world.upload(file), file);
    },

    'a large file whose request breaks needs no second start': async (world) => {
      const file = await world.file({ sizeBytes: largeBytes });
      await world.backend.faults?.breakAfter(2 * MIB);
      const { outcome } = world.put(await world.grant(file), file);
      expectThat((await outcome) !== 'lost', 'One PUT is enough');
      const received = (await world.backend.countReceivedBytes?.()) ?? 0;
      // Firefox repeats what broke on a connection that was used before, all of it, before it tells the page.
      expectThat(received < largeBytes * 2.2, `It is sent once, nearly: ${received} bytes`);
      await expectStored(world, await world.upload(file), file);
    },

    'an upload that is given up leaves nothing behind, and may begin again': async (world) => {
      const file = await world.file({ sizeBytes: largeBytes });
      const credential = await sendSome(world, file, largeBytes * 0.4);
      await world.adapter.abort?.(credential);
      expectEqual(await world.backend.countUnfinished?.(), 0, 'Unfinished uploads');
      await world.backend.reset();
      await expectStored(world, await world.upload(file), file);
      expectEqual(await world.backend.countUnfinished?.(), 0, 'Unfinished uploads');
    },
  };
}
