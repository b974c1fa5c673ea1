/**
 * Everything the pipeline takes from its surroundings: time, timers, chance and connectivity.
 * Tests pass their own.
 */
export interface Runtime {
  /** Monotonic milliseconds: differences are true though the clock is set. */
  now(): number;
  /** Wall-clock milliseconds, for what people read. */
  epochNow(): number;
  setTimer(callback: () => void, delayMs: number): TimerHandle;
  clearTimer(timer: TimerHandle): void;
  /** Resolves after the page had a turn: to paint, to take input. */
  yieldToPage(): Promise<void>;
  /** Uniform in [0, 1). */
  random(): number;
  uuid(): string;
  /** What the browser believes; it may be wrong in both directions. */
  isOnline(): boolean;
  /** Calls back when the network may be another one: online, offline, awake. Returns the unsubscribe. */
  onConnectivityChange(callback: () => void): () => void;
  /**
   * Calls back when the page is hidden or left: nothing may run after that. Returns the unsubscribe.
   */
  onHide(callback: () => void): () => void;
  /** Reports an error that no caller can receive, such as a throwing listener's. */
  reportError(error: unknown): void;
}

export type TimerHandle = ReturnType<typeof setTimeout>;

/** RFC 9562 version 4, also on plain-http pages, where `crypto.randomUUID` does not exist. */
function randomUuid(): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [8, 12, 16, 20].reduceRight((id, at) => `${id.slice(0, at)}-${id.slice(at)}`, hex);
}

/** The browser's (or Node's) own. */
export function systemRuntime(): Runtime {
  return {
    now: () => performance.now(),
    epochNow: () => Date.now(),
    setTimer: (callback, delayMs) => setTimeout(callback, delayMs),
    clearTimer: (timer) => clearTimeout(timer),
    // A message, not a timer: timers wait 4 ms when they are nested, and a minute in a hidden tab.
    yieldToPage: () =>
      new Promise((resolve) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => {
          port1.close();
          resolve();
        };
        port2.postMessage(null);
      }),
    random: () => Math.random(),
    uuid: randomUuid,
    isOnline: () => typeof navigator === 'undefined' || navigator.onLine !== false,
    onConnectivityChange(callback) {
      if (typeof addEventListener !== 'function') return () => {};
      // A page that comes back from sleep, the background or the back-forward cache finds another
      // network than it left, and no `online` event tells so.
      const events: readonly [EventTarget, string][] = [
        ...['online', 'offline', 'pageshow'].map((name): [EventTarget, string] => [
          globalThis,
          name,
        ]),
        ...(typeof document === 'undefined'
          ? []
          : ['resume', 'visibilitychange'].map((name): [EventTarget, string] => [document, name])),
      ];
      for (const [target, name] of events) target.addEventListener(name, callback);
      return () => {
        for (const [target, name] of events) target.removeEventListener(name, callback);
      };
    },
    onHide(callback) {
      if (typeof addEventListener !== 'function') return () => {};
      // Phones end hidden pages without a word, and `pagehide` comes without `visibilitychange` in some
      // browsers: whichever comes first.
      const page = typeof document === 'undefined' ? undefined : document;
      const onVisibility = () => {
        if (page?.visibilityState === 'hidden') callback();
      };
      addEventListener('pagehide', callback);
      page?.addEventListener('visibilitychange', onVisibility);
      return () => {
        removeEventListener('pagehide', callback);
        page?.removeEventListener('visibilitychange', onVisibility);
      };
    },
    reportError(error) {
      if (typeof globalThis.reportError === 'function') globalThis.reportError(error);
      else console.error(error);
    },
  };
}
