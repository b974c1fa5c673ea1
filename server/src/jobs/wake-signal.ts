/** Lets one loop sleep until it is woken or a time has passed. A wake while nobody sleeps is kept. */
export interface WakeSignal {
  wake(): void;
  /** Resolves after `timeoutMs` at the latest; at once if woken since the last wait. */
  wait(timeoutMs: number): Promise<void>;
}

export function createWakeSignal(): WakeSignal {
  let isWoken = false;
  let resume: (() => void) | undefined;
  return {
    wake() {
      isWoken = true;
      resume?.();
    },
    async wait(timeoutMs) {
      if (!isWoken) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeoutMs);
          resume = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        resume = undefined;
      }
      isWoken = false;
    },
  };
}
