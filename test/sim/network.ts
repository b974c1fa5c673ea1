import type { Policy } from './policies.ts';
import { seededRandom } from './random.ts';

const STEP_MS = 10;
/** A run that takes longer is a bug of the policy. */
const LIMIT_MS = 6 * 3_600_000;

/** A network and a server, as a person's upload meets them. */
export interface Scenario {
  readonly name: string;
  readonly files: number;
  /** Bytes of one file. */
  readonly size: (random: () => number) => number;
  /** Megabits per second of the whole way, over time. */
  readonly capacity: (atMs: number) => number;
  readonly rttMs: number;
  /** Megabits per second that one connection can reach (its window over the round trip). */
  readonly perFlow?: number;
  /** The server's own time per request. */
  readonly serverMs?: number;
  /** What the adapter allows. */
  readonly max: number;
  /** Share of requests that fail with 500. */
  readonly failureRate?: number;
  /** A token bucket that answers 429. */
  readonly limit?: { perSecond: number; burst: number; retryAfterMs: number };
  /** Longest delay of a full buffer on the way. */
  readonly bufferMs?: number;
  /** Requests at once that the server serves without loss; each further one costs it 2 %. */
  readonly knee?: number;
}

export interface Outcome {
  readonly seconds: number;
  readonly requests: number;
  readonly throttled: number;
}

interface Flow {
  readonly sizeBytes: number;
  readonly startMs: number;
  leftBytes: number;
  phase: 'request' | 'body' | 'answer';
  untilMs: number;
  answer: 'ok' | 'failed' | 'throttled';
}

const bytesPerStep = (megabits: number) => (megabits * 1e6 * STEP_MS) / 8_000;

/**
 * Runs one upload of many files. Connections share the way evenly, each up to its own limit; a request
 * costs a round trip and the server's time besides its bytes.
 */
export function simulate(scenario: Scenario, createPolicy: () => Policy, seed: number): Outcome {
  const random = seededRandom(seed);
  const policy = createPolicy();
  const waiting = Array.from({ length: scenario.files }, () => scenario.size(random));
  const delayed: { sizeBytes: number; dueMs: number }[] = [];
  const flows = new Set<Flow>();
  const { rttMs, serverMs = 20, perFlow = Number.POSITIVE_INFINITY, bufferMs = 0 } = scenario;
  let tokens = scenario.limit?.burst ?? 0;
  let queueMs = 0;
  let requests = 0;
  let throttled = 0;
  let nowMs = 0;

  const start = (sizeBytes: number) => {
    requests += 1;
    policy.started(nowMs);
    flows.add({
      sizeBytes,
      startMs: nowMs,
      leftBytes: sizeBytes,
      phase: 'request',
      untilMs: nowMs + (rttMs + queueMs) / 2,
      answer: random() < (scenario.failureRate ?? 0) ? 'failed' : 'ok',
    });
  };

  const advance = (flow: Flow, share: number) => {
    if (flow.phase === 'body') {
      const sent = Math.min(share, flow.leftBytes);
      flow.leftBytes -= sent;
      policy.transferred(sent);
      if (flow.leftBytes > 0) return;
      flow.phase = 'answer';
      flow.untilMs = nowMs + serverMs * (0.7 + random() * 0.6) + rttMs / 2 + queueMs;
      return;
    }
    if (nowMs < flow.untilMs) return;
    if (flow.phase === 'request') {
      flow.phase = 'body';
      if (!scenario.limit) return;
      if (tokens >= 1) {
        tokens -= 1;
        return;
      }
      flow.answer = 'throttled';
      flow.phase = 'answer';
      flow.untilMs = nowMs + rttMs / 2;
      return;
    }
    flows.delete(flow);
    if (flow.answer === 'ok') {
      policy.succeeded(nowMs, nowMs - flow.startMs);
      return;
    }
    if (flow.answer === 'throttled') {
      throttled += 1;
      policy.throttled(nowMs, scenario.limit?.retryAfterMs ?? 0);
      waiting.push(flow.sizeBytes);
    } else {
      policy.failed(nowMs);
      delayed.push({ sizeBytes: flow.sizeBytes, dueMs: nowMs + random() * 1_000 });
    }
  };

  while (waiting.length + delayed.length + flows.size > 0) {
    if (nowMs > LIMIT_MS) throw new Error(`${scenario.name} does not end`);
    if (scenario.limit) {
      const refilled = tokens + (scenario.limit.perSecond * STEP_MS) / 1_000;
      tokens = Math.min(scenario.limit.burst, refilled);
    }
    for (let at = delayed.length - 1; at >= 0; at -= 1) {
      const file = delayed[at];
      if (!file || file.dueMs > nowMs) continue;
      waiting.push(file.sizeBytes);
      delayed.splice(at, 1);
    }
    while (waiting.length > 0 && flows.size < policy.limit(nowMs)) {
      const sizeBytes = waiting.pop();
      if (sizeBytes !== undefined) start(sizeBytes);
    }
    const bodies = [...flows].filter(({ phase }) => phase === 'body').length;
    const overload = Math.max(0, flows.size - (scenario.knee ?? Number.POSITIVE_INFINITY));
    const capacity = bytesPerStep(scenario.capacity(nowMs)) * Math.max(0.2, 1 - overload * 0.02);
    const share = bodies === 0 ? 0 : Math.min(bytesPerStep(perFlow), capacity / bodies);
    const demand = bodies * bytesPerStep(perFlow);
    const fullness = bodies === 0 ? 0 : Math.min(1, Math.max(0, demand / capacity - 1) / 4);
    queueMs = Number.isFinite(fullness) ? fullness * bufferMs : bufferMs;
    for (const flow of [...flows]) advance(flow, share);
    policy.tick(nowMs);
    nowMs += STEP_MS;
  }
  return { seconds: nowMs / 1_000, requests, throttled };
}
