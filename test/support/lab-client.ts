import { UploadError } from '../../src/errors/upload-error.ts';
import type { AdapterBackend, UploadUnderTest } from '../../src/testing/client.ts';
import type { ProxyFault } from './fault-proxy.ts';

export interface Lab {
  /** Where bytes go. */
  readonly url: string;
  /** Where the application's endpoints are: `<appUrl>/<name>`. */
  readonly appUrl: string;
  readonly facts: Readonly<Record<string, string>>;
  call<T>(name: string, body?: unknown): Promise<T>;
  plan(...faults: readonly ProxyFault[]): Promise<void>;
  limit(bytesPerSecond: number): Promise<void>;
  reset(): Promise<void>;
  /** Method and path of the requests since the last reset. */
  requests(): Promise<readonly string[]>;
  /** How often a browser asked whether it may send, since the last reset. */
  preflights(): Promise<number>;
  read(name: string): Promise<{ sizeBytes: number; checksum: string } | undefined>;
  /** What the conformance suite asks for. */
  asBackend(nameOf: (upload: UploadUnderTest) => string | undefined): AdapterBackend;
}

/** Starts a backend of one's own. */
export async function openLab(
  labUrl: string,
  kind: 's3' | 's3-forms' | 'tus' | 'vercel' | 'form' | 'custom',
): Promise<Lab> {
  const opened = await post<{ id: string; url: string; facts: Record<string, string> }>(
    `${labUrl}/open/${kind}`,
  );
  const { id, url, facts } = opened;
  const appUrl = `${labUrl}/app/${id}`;
  const control = <T>(name: string, body?: unknown) =>
    post<T>(`${labUrl}/control/${id}/${name}`, body);
  let storedBefore = 0;
  let unfinishedBefore = 0;
  const read = async (name: string) =>
    (await control<{ sizeBytes: number; checksum: string } | null>('read', name)) ?? undefined;
  const traffic = () =>
    control<{ receivedBytes: number; requests: string[]; preflights: number }>('traffic');

  return {
    ...{ url, appUrl, facts, read },
    call: (name, body) => post(`${appUrl}/${name}`, body),
    plan: (...faults) => control('plan', faults),
    limit: (bytesPerSecond) => control('limit', bytesPerSecond),
    reset: () => control('reset'),
    requests: async () => (await traffic()).requests,
    preflights: async () => (await traffic()).preflights,
    asBackend: (nameOf) => ({
      async readStored(upload) {
        const name = nameOf(upload);
        return name === undefined ? undefined : read(name);
      },
      countStored: async () => (await control<number>('stored')) - storedBefore,
      countUnfinished: async () => (await control<number>('unfinished')) - unfinishedBefore,
      countReceivedBytes: async () => (await traffic()).receivedBytes,
      faults: {
        loseAnswer: () => control('plan', [{ kind: 'lose-answer' }]),
        breakAfter: (afterBytes) => control('plan', [{ kind: 'break', afterBytes }]),
        slowDown: (bytesPerSecond) => control('limit', bytesPerSecond),
      },
      async reset() {
        await control('reset');
        storedBefore = await control<number>('stored');
        unfinishedBefore = await control<number>('unfinished');
      },
    }),
  };
}

/** As an application asks its own backend. */
async function post<T>(url: string, body: unknown = null): Promise<T> {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
  const text = await response.text();
  if (response.ok) return JSON.parse(text) as T;
  throw new UploadError('store_refused', `The application answered ${response.status}: ${text}`, {
    status: response.status,
  });
}
