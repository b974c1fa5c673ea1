import type { RunWorld } from './exchange.ts';
import type { Arrivals } from './tally.ts';

/** What the API's origin serves of the page, by path. */
export type PageFiles = Readonly<
  Record<string, { readonly type: string; readonly text: string } | undefined>
>;

/** Key and certificate, as PEM. */
export interface TlsFiles {
  readonly key: string;
  readonly cert: string;
}

export type ToServer =
  | { readonly type: 'listen'; readonly page: PageFiles; readonly tls: TlsFiles | undefined }
  | ({ readonly type: 'begin' } & Pick<RunWorld, 'delayMs' | 'intake' | 'storeUrl'>)
  | { readonly type: 'ask' };

export type FromServer =
  | { readonly type: 'listening'; readonly apiUrl: string; readonly storeUrl: string }
  | { readonly type: 'begun' }
  | { readonly type: 'arrived'; readonly arrivals: Arrivals; readonly cpuSeconds: number };
