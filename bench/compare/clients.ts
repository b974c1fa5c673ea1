import type { PageClient } from './page/page-bench.ts';
import type { Intake } from './server/exchange.ts';

/** One configuration of a client. */
export interface Variant {
  readonly title: string;
  readonly page: PageClient;
  /** What the server gives and takes beside PUTs. Default: nothing. */
  readonly intake?: Intake;
}

export type ClientName = (typeof CLIENT_NAMES)[number];

export interface Client {
  readonly name: ClientName;
  readonly title: string;
  /** Libraries may take minutes, and take part in fewer rounds. */
  readonly isLibrary: boolean;
  /** All are tried in the first round; the quickest goes on. */
  readonly variants: readonly [Variant, ...Variant[]];
}

export const CLIENT_NAMES = [
  'ours',
  'forms',
  'packs',
  'loop-each',
  'loop-batch',
  'loop-hash',
  'loop-form',
  'uppy-s3',
  'uppy-golden',
  'uppy-xhr',
  'tus',
] as const;

/** Names for several on the command line. */
export const CLIENT_GROUPS: Readonly<Record<string, readonly ClientName[]>> = {
  all: CLIENT_NAMES,
  loops: ['loop-each', 'loop-batch', 'loop-hash', 'loop-form'],
  uppy: ['uppy-s3', 'uppy-golden', 'uppy-xhr'],
};

const loops = (title: string, batchFiles: number, isHashing = false): Variant => ({
  title,
  page: { kind: 'loops', batchFiles, isHashing, hasForms: false },
});

/** In order of requests: what Uppy documents first comes first. */
const s3 = (isGolden: boolean): [Variant, ...Variant[]] => [
  { title: 'a signature a file', page: { kind: 'uppy-s3', signing: 'each', isGolden } },
  { title: 'signing in the page', page: { kind: 'uppy-s3', signing: 'keys', isGolden } },
  { title: 'one POST policy', page: { kind: 'uppy-s3', signing: 'form', isGolden } },
];

export const CLIENTS: readonly Client[] = [
  {
    name: 'ours',
    title: 'Bulkhead, one PUT a file',
    isLibrary: false,
    variants: [{ title: 'hashed, journaled', page: { kind: 'bulkhead' } }],
  },
  {
    name: 'forms',
    title: 'Bulkhead, one form a file',
    isLibrary: false,
    variants: [{ title: 'hashed, journaled', page: { kind: 'bulkhead' }, intake: 'forms' }],
  },
  {
    name: 'packs',
    title: 'Bulkhead, packs',
    isLibrary: false,
    variants: [{ title: 'hashed, journaled', page: { kind: 'bulkhead' }, intake: 'packs' }],
  },
  {
    name: 'loop-each',
    title: 'bare loops, a credential a file',
    isLibrary: false,
    variants: [loops('nothing hashed', 1)],
  },
  {
    name: 'loop-batch',
    title: 'bare loops, batched credentials',
    isLibrary: false,
    variants: [loops('nothing hashed', 100)],
  },
  {
    name: 'loop-hash',
    title: 'bare loops, batched, hashing',
    isLibrary: false,
    variants: [loops('hashed by WebCrypto', 100, true)],
  },
  {
    name: 'loop-form',
    title: 'bare loops, one POST policy',
    isLibrary: false,
    variants: [
      {
        title: 'nothing hashed',
        page: { kind: 'loops', batchFiles: 100, isHashing: false, hasForms: true },
      },
    ],
  },
  { name: 'uppy-s3', title: 'Uppy + S3', isLibrary: true, variants: s3(false) },
  {
    name: 'uppy-golden',
    title: 'Uppy + S3 + Golden Retriever',
    isLibrary: true,
    variants: s3(true),
  },
  {
    name: 'uppy-xhr',
    title: 'Uppy + XHR',
    isLibrary: true,
    variants: [
      { title: 'a form a file', page: { kind: 'uppy-xhr', isBundle: false } },
      { title: 'all in one form', page: { kind: 'uppy-xhr', isBundle: true } },
    ],
  },
  {
    name: 'tus',
    title: 'tus-js-client',
    isLibrary: true,
    variants: [{ title: 'bytes with the creation', page: { kind: 'tus' } }],
  },
];
