/** Messages between the tabs of an origin. A sender does not hear itself. */
export interface Broadcast {
  /** @throws DataCloneError when the message cannot be cloned */
  post(message: unknown): void;
  /** @returns the unsubscribe */
  listen(listener: (message: unknown) => void): () => void;
  close(): void;
}

/** By BroadcastChannel; undefined where the browser has none, or forbids it to this page. */
export function openBroadcast(name: string): Broadcast | undefined {
  let channel: BroadcastChannel;
  try {
    channel = new BroadcastChannel(name);
  } catch {
    return undefined;
  }
  let isClosed = false;
  return {
    post(message) {
      if (!isClosed) channel.postMessage(message);
    },
    listen(listener) {
      const onMessage = (event: MessageEvent<unknown>) => listener(event.data);
      channel.addEventListener('message', onMessage);
      return () => channel.removeEventListener('message', onMessage);
    },
    close() {
      isClosed = true;
      channel.close();
    },
  };
}
