import type { ProbeResult } from './page-probe.ts';

/** Milliseconds. */
export interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** The stages of one file's way, in order. `upload` and `total` span several. */
export const STAGES = [
  'hash',
  'credential',
  'put',
  'finalize',
  'pack',
  'upload',
  'processing',
  'embedding',
  'total',
] as const;
export type Stage = (typeof STAGES)[number];

/** What each stage measures, in words for the report. */
export const STAGE_MEANING: Readonly<Record<Stage, string>> = {
  hash: 'hashing, from its turn to the checksum',
  credential: 'waiting for the answer to its credential request',
  put: 'sending the bytes',
  finalize: 'from the last byte to the acknowledgement',
  pack: 'sending it in a pack, to the acknowledgement',
  upload: 'all of these together, without waiting for its turn',
  processing: 'from the acknowledgement to the thumbnail',
  embedding: 'from the thumbnail to searchable',
  total: 'from being added to searchable',
};

/** Nearest-rank percentiles; zeros when there are no values. */
export function percentiles(values: readonly number[]): Percentiles {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? 0;
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}

/** How long the files took in each stage. A file that never passed a stage does not count in it. */
export function measureStages(uploads: ProbeResult['uploads']): Record<Stage, Percentiles> {
  const spans: Record<Stage, number[]> = {
    hash: [],
    credential: [],
    put: [],
    finalize: [],
    pack: [],
    upload: [],
    processing: [],
    embedding: [],
    total: [],
  };
  for (const { addedMs, statusMs } of uploads) {
    const stored = statusMs.processing;
    // The watch may see both changes at once: then there is no `embedding` in between.
    const processed = statusMs.embedding ?? statusMs.searchable;
    const span = (stage: Stage, from: number | undefined, to: number | undefined) => {
      if (from === undefined || to === undefined || to < from) return undefined;
      spans[stage].push(to - from);
      return to - from;
    };
    // What goes in a pack is acknowledged with it: it is never merely sent.
    const isPacked = statusMs.uploaded === undefined;
    const sending = isPacked
      ? [span('pack', statusMs.uploading, stored)]
      : [
          span('put', statusMs.uploading, statusMs.uploaded),
          span('finalize', statusMs.uploaded, stored),
        ];
    const steps = [
      span('hash', statusMs.hashing, statusMs.hashed),
      span('credential', statusMs.requesting, statusMs.ready),
      ...sending,
    ];
    const parts = steps.filter((part) => part !== undefined);
    if (parts.length === steps.length)
      spans.upload.push(parts.reduce((sum, part) => sum + part, 0));
    span('processing', stored, processed);
    span('embedding', statusMs.embedding, statusMs.searchable);
    span('total', addedMs, statusMs.searchable);
  }
  return Object.fromEntries(STAGES.map((stage) => [stage, percentiles(spans[stage])])) as Record<
    Stage,
    Percentiles
  >;
}
