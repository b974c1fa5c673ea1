import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SessionLocks } from '../../src/storage/session-locks.ts';

export interface Tab {
  readonly locks: SessionLocks;
  /** Ends it without a chance to let go of anything; resolves when the others can know. */
  die(): void | Promise<void>;
}

/** Tabs of one origin. */
export interface TabRoom {
  /** @param database default: the same for all tabs */
  openTab(database?: string): Promise<Tab>;
  /** Lets a moment pass. */
  pause(): Promise<void>;
  /** Lets time pass until it is settled. */
  settled<T>(promise: Promise<T>): Promise<T>;
  dispose(): void | Promise<void>;
}

/** What locks of sessions must do. */
export function describeSessionLocks(name: string, create: () => TabRoom): void {
  describe(`the locks ${name}`, () => {
    let room: TabRoom;
    let first: Tab;
    let second: Tab;
    const { signal } = new AbortController();
    const hold = (tab: Tab, session: string) => room.settled(tab.locks.hold(session));
    const whenFree = (tab: Tab, session: string) => tab.locks.whenFree(session, signal);
    /** The session, which is free or will be as soon as the browser has heard of it. */
    const soon = (tab: Tab, session: string) => room.settled(whenFree(tab, session));
    const eventually = async (check: () => Promise<void>) => {
      for (let turn = 0; turn < 50; turn += 1) {
        try {
          return await check();
        } catch {
          await room.pause();
        }
      }
      await check();
    };
    const held = async (tab: Tab) => [...(await room.settled(tab.locks.held()))].sort();

    beforeEach(async () => {
      room = create();
      first = await room.openTab();
      second = await room.openTab();
    });
    afterEach(() => room.dispose());

    it('give a session to one tab', async () => {
      expect(await hold(first, 's1')).toBeTypeOf('function');
      expect(await hold(second, 's1')).toBeNull();
      expect(await hold(first, 's1')).toBeNull();
      expect(await hold(second, 's2')).toBeTypeOf('function');
    });

    it('give a session that was let go to the next one who asks', async () => {
      const release = await hold(first, 's1');
      release?.();
      const secondRelease = await soon(second, 's1');
      release?.();
      expect(await hold(first, 's1')).toBeNull();
      secondRelease();
      await soon(first, 's1');
    });

    it('give a session to exactly one of many that ask at once', async () => {
      const tabs = [first, second, await room.openTab(), await room.openTab()];
      for (const session of ['s1', 's2', 's3']) {
        const answers = await room.settled(Promise.all(tabs.map((tab) => tab.locks.hold(session))));
        expect(answers.filter((release) => release !== null)).toHaveLength(1);
      }
    });

    it('are waited for until their holder lets go', async () => {
      const release = await hold(first, 's1');
      let isFree = false;
      const waiting = whenFree(second, 's1').then((given) => {
        isFree = true;
        return given;
      });
      expect(await hold(second, 's2')).toBeTypeOf('function');
      expect(isFree).toBe(false);
      release?.();
      const given = await room.settled(waiting);
      expect(await hold(first, 's1')).toBeNull();
      given();
      await soon(first, 's1');
    });

    it('are given at once to who waits for what nobody holds', async () => {
      await room.settled(whenFree(first, 's1'));
      expect(await hold(second, 's1')).toBeNull();
    });

    it('pass on when their holder dies', async () => {
      await hold(first, 's1');
      const waiting = whenFree(second, 's1');
      await first.die();
      const release = await room.settled(waiting);
      const third = await room.openTab();
      expect(await hold(third, 's1')).toBeNull();
      release();
      await soon(third, 's1');
    });

    it('are free for who asks after their holder died', async () => {
      await hold(first, 's1');
      await first.die();
      await soon(second, 's1');
    });

    it('go from one to the next of those who wait, to one at a time', async () => {
      const release = await hold(first, 's1');
      let holders = 0;
      const turns: number[] = [];
      const tabs = [second, await room.openTab(), await room.openTab()];
      const all = tabs.map(async (tab) => {
        const given = await whenFree(tab, 's1');
        turns.push(++holders);
        await Promise.resolve();
        holders -= 1;
        given();
      });
      release?.();
      await room.settled(Promise.all(all));
      expect(turns).toEqual([1, 1, 1]);
    });

    it('are not waited for after the wait was aborted', async () => {
      const release = await hold(first, 's1');
      const aborting = new AbortController();
      const waiting = second.locks.whenFree('s1', aborting.signal);
      const reason = new Error('enough');
      aborting.abort(reason);
      await expect(room.settled(waiting)).rejects.toBe(reason);
      release?.();
      await soon(first, 's1');
    });

    it('are not even asked for when the wait was aborted before', async () => {
      const reason = new Error('never mind');
      const waiting = second.locks.whenFree('s1', AbortSignal.abort(reason));
      await expect(room.settled(waiting)).rejects.toBe(reason);
      expect(await hold(first, 's1')).toBeTypeOf('function');
    });

    it('are known to every tab', async () => {
      expect(await held(second)).toEqual([]);
      const release = await hold(first, 's1');
      await hold(second, 's 2:ö');
      const third = await room.openTab();
      for (const tab of [first, second, third]) {
        await eventually(async () => expect(await held(tab)).toEqual(['s 2:ö', 's1']));
      }
      release?.();
      for (const tab of [first, second, third]) {
        await eventually(async () => expect(await held(tab)).toEqual(['s 2:ö']));
      }
      await second.die();
      await eventually(async () => expect(await held(third)).toEqual([]));
    });

    it('have nothing to do with those of another database', async () => {
      const other = await room.openTab('other');
      expect(await hold(first, 's1')).toBeTypeOf('function');
      expect(await held(other)).toEqual([]);
      expect(await hold(other, 's1')).toBeTypeOf('function');
      expect(await held(first)).toEqual(['s1']);
    });
  });
}
