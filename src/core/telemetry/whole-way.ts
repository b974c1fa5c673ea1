import type { Runtime } from '../../runtime/runtime.ts';
import type { Emitter } from '../emitter.ts';
import type { Ledger } from '../ledger.ts';
import type { Telemetry } from './telemetry.ts';

export interface WholeWayParts {
  readonly runtime: Runtime;
  readonly emitter: Emitter;
  readonly ledger: Ledger;
  readonly telemetry: Telemetry;
}

/** Times what no stage sees all of: from being added, and from being finalized, to being searchable. */
export function timeWholeWay({ telemetry, emitter, ledger, runtime }: WholeWayParts): void {
  emitter.on('upload-searchable', ({ id }) => {
    const times = ledger.timeline.of(id);
    if (!times) return;
    const offsetMs = runtime.now() - runtime.epochNow();
    const end = { uploadId: id, outcome: 'ok' } as const;
    telemetry.span('total', times.addedMs + offsetMs, end);
    if (times.finalizedMs !== undefined) {
      telemetry.span('processing', times.finalizedMs + offsetMs, end);
    }
  });
}
