import type { Clock } from '../clock.ts';

const SLOTS = 60;

/** How much happened within the last `windowMs`, to a sixtieth of it. */
export interface WindowCounter {
  add(count: number): void;
  total(): number;
}

export function createWindowCounter(windowMs: number, clock: Clock): WindowCounter {
  const slotMs = windowMs / SLOTS;
  const counts = new Array<number>(SLOTS).fill(0);
  let newest = Math.floor(clock() / slotMs);

  /** Empties the slots that time has passed. */
  const turn = () => {
    const slot = Math.floor(clock() / slotMs);
    const passed = slot - newest;
    // A clock that was set back counts on where it stood.
    for (let n = 1; n <= Math.min(passed, SLOTS); n++) counts[(newest + n) % SLOTS] = 0;
    if (passed > 0) newest = slot;
  };

  return {
    add(count) {
      turn();
      counts[newest % SLOTS] = (counts[newest % SLOTS] ?? 0) + count;
    },
    total() {
      turn();
      return counts.reduce((sum, count) => sum + count, 0);
    },
  };
}
