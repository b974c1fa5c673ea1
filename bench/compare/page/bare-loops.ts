import type {
  FinishRequest,
  PolicyResponse,
  SignRequest,
  SignResponse,
} from '../server/peer-routes.ts';
import type { PageClient, Upload } from './page-bench.ts';
import { postJson, RunError } from './post-json.ts';

/** Connections that browsers open to one host by HTTP/1.1. */
const LOOPS = 6;

type LoopClient = Extract<PageClient, { kind: 'loops' }>;

/**
 * What one writes by hand for speed: six loops, each with one XMLHttpRequest at a time. URLs are asked for a
 * batch ahead, so that no loop waits for them. No retry, no progress, nothing that outlives the page.
 */
export const uploadByLoops: Upload<LoopClient> = async (files, { apiUrl }, client) => {
  const { batchFiles, isHashing, hasForms } = client;
  const policy = hasForms ? postJson<PolicyResponse>(`${apiUrl}/policy`, {}) : undefined;
  const batches = Math.ceil(files.length / batchFiles);
  const asked = new Map<number, Promise<readonly string[]>>();
  const urlsOf = (batch: number) => {
    let urls = asked.get(batch);
    if (!urls) {
      const part = files.slice(batch * batchFiles, (batch + 1) * batchFiles);
      urls = signAll(apiUrl, part);
      asked.set(batch, urls);
    }
    return urls;
  };

  let done: FinishRequest['files'][number][] = [];
  const finishing: Promise<unknown>[] = [];
  const finish = () => {
    const batch: FinishRequest = { files: done };
    done = [];
    return postJson(`${apiUrl}/finish`, batch);
  };

  let next = 0;
  const loop = async () => {
    for (let index = next++; index < files.length; index = next++) {
      const file = files[index];
      if (!file) return;
      const batch = Math.floor(index / batchFiles);
      const urls = policy ? undefined : urlsOf(batch);
      if (urls && batchFiles > 1 && batch + 1 < batches) void urlsOf(batch + 1);
      const hashed = isHashing ? { checksum: await sha256(file) } : {};
      if (urls) await put((await urls)[index % batchFiles], file);
      if (policy) await post(await policy, file);
      done.push({ name: file.name, ...hashed });
      if (batchFiles === 1) await finish();
      else if (done.length >= batchFiles) finishing.push(finish());
    }
  };
  await Promise.all(Array.from({ length: LOOPS }, loop));
  if (done.length > 0) finishing.push(finish());
  await Promise.all(finishing);
};

async function signAll(apiUrl: string, files: readonly File[]): Promise<readonly string[]> {
  const request: SignRequest = { names: files.map(({ name }) => name) };
  return (await postJson<SignResponse>(`${apiUrl}/sign`, request)).urls;
}

async function sha256(file: File): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

async function put(url: string | undefined, file: File): Promise<void> {
  if (url === undefined) throw new RunError(`There is no URL for ${file.name}`);
  await send('PUT', url, file, { 'content-type': file.type });
}

async function post({ url, fields }: PolicyResponse, file: File): Promise<void> {
  const form = new FormData();
  for (const [name, value] of Object.entries({ ...fields, key: file.name })) {
    form.append(name, value);
  }
  form.append('file', file);
  await send('POST', url, form);
}

function send(
  method: string,
  url: string,
  body: File | FormData,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.onload = () => {
      if (xhr.status >= 200 && xhr.status < 300) resolve();
      else reject(new RunError(`The store answered ${xhr.status}`));
    };
    xhr.onerror = () => reject(new RunError('The store did not answer'));
    xhr.open(method, url);
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    xhr.send(body);
  });
}
