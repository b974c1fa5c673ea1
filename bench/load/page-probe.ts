import type { Snapshot, Uploader } from 'bulkhead';

/** When one upload reached each status, in milliseconds of the page's clock. */
export interface UploadTimes {
  readonly id: string;
  readonly addedMs: number;
  /** The last time it entered a status: retries overwrite. */
  readonly statusMs: Readonly<Record<string, number>>;
}

export interface Acknowledgement {
  readonly assetId: string;
  readonly atMs: number;
}

/** What the probe tells while the run goes on. */
export interface ProbeState {
  readonly snapshot: Snapshot | null;
  /** Since the files were handed to the page. */
  readonly elapsedMs: number;
  readonly longestTaskMs: number;
}

export interface ProbeResult {
  readonly startedMs: number;
  readonly uploads: readonly UploadTimes[];
  readonly acknowledged: readonly Acknowledgement[];
  /** What the browser took to list the folder for the page: the page cannot do anything about it. */
  readonly handOverMs: number;
  /** Tasks of the main thread over 50 ms, since the page was given the files. */
  readonly longTasks: readonly number[];
  readonly failures: readonly string[];
}

/** What the page carries for the run, as `window.bulkheadProbe`. */
export interface Probe {
  state(): ProbeState;
  /** Ids of the assets the server has acknowledged. */
  acknowledged(): readonly string[];
  result(): ProbeResult;
}

declare global {
  interface Window {
    bulkheadProbe?: Probe;
    bulkhead?: { readonly uploader: Uploader };
  }
}

/**
 * Runs in the page before its own scripts, so that nothing escapes it. It stands alone: its source
 * is what is sent to the browser.
 */
export function installProbe(): void {
  // Frames of other documents have no uploader.
  if (window.top !== window) return;
  let startedMs = 0;
  const longTasks: { startMs: number; durationMs: number }[] = [];
  const uploads = new Map<string, { addedMs: number; statusMs: Record<string, number> }>();
  const acknowledged: Acknowledgement[] = [];

  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) {
      longTasks.push({ startMs: startTime, durationMs: duration });
    }
  }).observe({ type: 'longtask', buffered: true });

  // The page's element tells it of itself: a `change` does not leave the shadow root.
  addEventListener(
    'bulkhead-adding',
    () => {
      if (startedMs === 0) startedMs = performance.now();
    },
    { capture: true },
  );

  const watch = (uploader: Uploader): void => {
    uploader.on('upload-added', ({ upload }) => {
      uploads.set(upload.id, { addedMs: performance.now(), statusMs: {} });
    });
    uploader.on('upload-changed', ({ upload }) => {
      const times = uploads.get(upload.id);
      if (times) times.statusMs[upload.status] = performance.now();
    });
    uploader.on('upload-finalized', ({ assetId }) => {
      acknowledged.push({ assetId, atMs: performance.now() });
    });
  };

  // The page announces its uploader by setting `window.bulkhead`.
  let announced: Window['bulkhead'];
  Object.defineProperty(window, 'bulkhead', {
    configurable: true,
    enumerable: true,
    get: () => announced,
    set: (value: NonNullable<Window['bulkhead']>) => {
      announced = value;
      watch(value.uploader);
    },
  });

  // The task that tells the page of the folder begins with the browser's own work.
  const handOverMs = () => {
    const task = longTasks.find(
      ({ startMs, durationMs }) => startMs < startedMs && startMs + durationMs >= startedMs,
    );
    return task ? startedMs - task.startMs : 0;
  };
  const longTasksSinceStart = () =>
    longTasks
      .map(({ startMs, durationMs }) => startMs + durationMs - Math.max(startMs, startedMs))
      .filter((durationMs) => durationMs > 50);

  window.bulkheadProbe = {
    state: () => ({
      snapshot: announced?.uploader.getSnapshot() ?? null,
      elapsedMs: startedMs === 0 ? 0 : performance.now() - startedMs,
      longestTaskMs: Math.max(0, ...longTasksSinceStart()),
    }),
    acknowledged: () => acknowledged.map(({ assetId }) => assetId),
    result: () => ({
      startedMs,
      uploads: [...uploads].map(([id, times]) => ({ id, ...times })),
      acknowledged,
      handOverMs: handOverMs(),
      longTasks: longTasksSinceStart(),
      // Refused ones too: in a load run no file deserves that.
      failures: [...(announced?.uploader.uploads() ?? [])].flatMap((upload) => {
        if (!('failure' in upload)) return [];
        const { code, message } = upload.failure;
        return [`${upload.path}: ${upload.status} (${code}: ${message})`];
      }),
    }),
  };
}
