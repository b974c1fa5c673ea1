import type { TokenStorage } from '../../src/transports/token-storage.ts';

/** What localStorage does, and how it fails. */
export function memoryStorage(isFull = () => false) {
  const items = new Map<string, string>();
  const storage: TokenStorage = {
    get length() {
      return items.size;
    },
    key: (at) => [...items.keys()][at] ?? null,
    getItem: (name) => items.get(name) ?? null,
    removeItem: (name) => void items.delete(name),
    setItem(name, value) {
      if (isFull()) throw new DOMException('Full', 'QuotaExceededError');
      items.set(name, value);
    },
  };
  return { storage, items };
}
