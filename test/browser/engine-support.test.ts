import { expect, it, onTestFinished } from 'vitest';
import { ENGINE_SUPPORT, type Feature, thisEngine } from '../support/engine-support.ts';

const FILE = () => new File(['four'], 'a.txt', { type: 'text/plain' });
/** The smallest module: its magic number and its version. */
const EMPTY_WASM = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

/** Each is true, false, or rejects with what an engine says that lacks it. */
const TRIES: Readonly<Record<Feature, () => boolean | Promise<boolean>>> = {
  'IndexedDB keeps a `File`': async () => {
    const kept = await throughIndexedDb(FILE());
    return kept.name === 'a.txt' && (await kept.text()) === 'four';
  },
  'IndexedDB keeps a file handle': async () => {
    const handle = await opfsFile();
    return (await throughIndexedDb(handle)).isSameEntry(handle);
  },
  'a folder picker that gives handles': () => 'showDirectoryPicker' in window,
  'a drop gives handles': () => 'getAsFileSystemHandle' in DataTransferItem.prototype,
  'a drop gives folders': () => 'webkitGetAsEntry' in DataTransferItem.prototype,
  'an input takes a folder': () => 'webkitdirectory' in HTMLInputElement.prototype,
  'Web Locks': () =>
    navigator.locks.request('engine-support', () =>
      navigator.locks.request('engine-support', { ifAvailable: true }, (second) => second === null),
    ),
  'BroadcastChannel carries a `File`': async () => {
    const [from, to] = [new BroadcastChannel('engine'), new BroadcastChannel('engine')];
    onTestFinished(() => {
      for (const channel of [from, to]) channel.close();
    });
    const heard = new Promise<MessageEvent<File>>((resolve) => {
      to.onmessage = resolve;
    });
    from.postMessage(FILE());
    return (await (await heard).data.text()) === 'four';
  },
  'module worker': () => inWorker('postMessage(import.meta.url.length > 0)'),
  WebAssembly: async () => (await WebAssembly.instantiate(EMPTY_WASM)).instance !== undefined,
  'SHA-256 of WebCrypto': async () =>
    (await crypto.subtle.digest('SHA-256', await FILE().arrayBuffer())).byteLength === 32,
  '`EventSource` and `ReadableStream`': async () => {
    const { value } = await FILE().stream().getReader().read();
    return value?.byteLength === 4 && 'EventSource' in window;
  },
  'a request body that is a stream': () => {
    let isAsked = false;
    const init = {
      method: 'POST',
      body: new ReadableStream(),
      // Read by engines that know it; others make a string of the body, which has a type.
      get duplex() {
        isAsked = true;
        return 'half' as const;
      },
    };
    const isText = new Request(location.href, init).headers.has('content-type');
    return isAsked && !isText;
  },
  'OPFS, written by the page': async () => {
    const handle = await opfsFile();
    const writable = await handle.createWritable();
    await writable.write('four');
    await writable.close();
    return (await (await handle.getFile()).text()) === 'four';
  },
  'OPFS, a synchronous handle in a worker': async () => {
    await opfsFile();
    return inWorker(`
      const root = await navigator.storage.getDirectory();
      const file = await root.getFileHandle('engine-support');
      const access = await file.createSyncAccessHandle();
      const written = access.write(new Uint8Array(4));
      access.close();
      postMessage(written === 4);
    `);
  },
};

const engine = thisEngine();

it.each(Object.entries(ENGINE_SUPPORT))(
  '%s, or not, as docs/browsers.md says',
  async (name, has) => {
    const tried = async () => TRIES[name as Feature]();
    if (has[engine]) return expect(await tried()).toBe(true);
    // An engine that lacks it says no, or throws; either way the table must change when it comes.
    expect(await tried().catch(() => false)).toBe(false);
  },
);

async function opfsFile(): Promise<FileSystemFileHandle> {
  const root = await navigator.storage.getDirectory();
  return root.getFileHandle('engine-support', { create: true });
}

async function inWorker(code: string): Promise<boolean> {
  const source = `try { ${code} } catch (error) { postMessage(String(error)); }`;
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  const worker = new Worker(url, { type: 'module' });
  onTestFinished(() => {
    worker.terminate();
    URL.revokeObjectURL(url);
  });
  const answer = await new Promise<unknown>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
  });
  if (typeof answer === 'string') throw new Error(answer);
  return answer === true;
}

/** Written and read back in two transactions. */
async function throughIndexedDb<Value>(value: Value): Promise<Value> {
  const opening = indexedDB.open('engine-support', 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore('values');
  const database = await settled(opening);
  onTestFinished(() => {
    database.close();
    indexedDB.deleteDatabase('engine-support');
  });
  await settled(database.transaction('values', 'readwrite').objectStore('values').put(value, 1));
  return settled(database.transaction('values').objectStore('values').get(1));
}

function settled<Value>(request: IDBRequest<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
