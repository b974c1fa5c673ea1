import * as z from 'zod/mini';
import { toOptionError } from '../errors/option-error.ts';
import { type Credential, checksumSchema } from '../protocol/index.ts';
import type { FaultBehaviour, FaultProcessing, FaultServerPlainOptions } from './fault-options.ts';
import type { FaultAction, FaultRoutes, FaultRule } from './fault-rules.ts';
import type { InvariantCheck } from './invariants.ts';
import type { FaultServerState } from './server-state.ts';

export const signedFileSchema = z.strictObject({
  filename: z.string(),
  mimeType: z._default(z.string(), 'application/octet-stream'),
  size: z.int().check(z.minimum(0)),
  checksum: checksumSchema,
});
/**
 * A file to be given a credential without asking the API.
 *
 * @interface
 */
export type SignedFile = z.input<typeof signedFileSchema>;

export type InvariantOptions = Omit<InvariantCheck, 'server'>;

/** Where a fault server is reached. */
export interface FaultServerAddress {
  /** Origin of the API (and of the control endpoints), without a trailing slash. */
  readonly url: string;
  /** Origin of the store, another one. */
  readonly storeUrl: string;
}

/**
 * What can be asked of a fault server, in its own process or from a page. All arguments and answers
 * are plain data.
 */
export interface FaultServerCommands {
  /** Replaces the rules for single requests; their counts begin anew. */
  plan(rules: readonly FaultRule[]): void;
  /** Changes the behaviour towards everyone; what is not named stays. */
  behave(behaviour: FaultBehaviour): void;
  /** Changes what becomes of finalized files; what is not named gets its default. */
  process(processing: FaultProcessing): void;
  /** An outage: requests of these routes (default: all) fail until `up`. Default: `reset`. */
  down(routes?: FaultRoutes, how?: FaultAction): void;
  /** Ends an outage of these routes (default: all). */
  up(routes?: FaultRoutes): void;
  /** Moves the server's clock on: URLs expire, buckets fill. */
  advance(byMs: number): void;
  /** Breaks every event stream; browsers open them again. */
  dropStreams(): void;
  /** A credential without asking the API. */
  sign(file: SignedFile): Credential;
  /** Everything that was recorded since the last reset. */
  state(): FaultServerState;
  /** Violations of what must hold of every run, as sentences; see `checkInvariants`. */
  invariants(check: InvariantOptions): string[];
  /** As it was created: no requests, objects or assets, the plan and behaviour of its options. */
  reset(): void;
}

/** A fault server that a page speaks to: the same commands, over HTTP. */
export type FaultServerClient = FaultServerAddress & {
  readonly [K in keyof FaultServerCommands]: (
    ...args: Parameters<FaultServerCommands[K]>
  ) => Promise<ReturnType<FaultServerCommands[K]>>;
} & {
  /** Another server in the same process, so that test files do not disturb one another. */
  spawn(options?: FaultServerPlainOptions): Promise<FaultServerClient>;
};

export const COMMAND_NAMES = [
  'plan',
  'behave',
  'process',
  'down',
  'up',
  'advance',
  'dropStreams',
  'sign',
  'state',
  'invariants',
  'reset',
] as const satisfies readonly (keyof FaultServerCommands)[];

/** Control endpoints live beside the API: `POST /__plan` with a JSON array of arguments. */
export const CONTROL_PREFIX = '/__';

/** @throws OptionError when the value does not fit */
export function parseArgument<T extends z.ZodMiniType>(
  name: string,
  schema: T,
  value: unknown,
): z.output<T> {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw toOptionError(name, parsed.error);
  return parsed.data;
}
