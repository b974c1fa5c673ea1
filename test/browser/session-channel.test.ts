import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { broadcastSessionChannel } from '../../src/storage/broadcast-session-channel.ts';
import type { SessionChannel, SessionMessage } from '../../src/storage/session-channel.ts';

const frames: HTMLIFrameElement[] = [];

/** A channel of another tab: it hears in a realm of its own. */
async function channelInFrame(databaseName: string, scope: string): Promise<SessionChannel> {
  const frame = document.createElement('iframe');
  frames.push(frame);
  document.body.append(frame);
  const url = new URL('../support/tab-modules.ts', import.meta.url).href;
  const realm = frame.contentWindow as (Window & typeof globalThis) | null;
  const modules: typeof import('../support/tab-modules.ts') = await realm?.eval(
    `import(${JSON.stringify(url)})`,
  );
  return modules.broadcastSessionChannel(databaseName, scope);
}

describe('the channel between tabs', () => {
  let name: string;
  let own: SessionChannel;
  let other: SessionChannel;
  const open: SessionChannel[] = [];
  const openOwn = (databaseName: string, scope: string) => {
    const channel = broadcastSessionChannel(databaseName, scope);
    open.push(channel);
    return channel;
  };

  beforeEach(async () => {
    name = crypto.randomUUID();
    own = openOwn(name, 'ann');
    other = await channelInFrame(name, 'ann');
  });
  afterEach(() => {
    for (const channel of open.splice(0)) channel.close();
    for (const frame of frames.splice(0)) frame.remove();
    vi.unstubAllGlobals();
  });

  /** What a channel heard, up to the message that ends it. */
  async function heard(channel: SessionChannel, send: () => void): Promise<SessionMessage[]> {
    const messages: SessionMessage[] = [];
    const ending = openOwn(name, 'ann');
    await new Promise<void>((resolve) => {
      const forget = channel.onMessage((message) => {
        if (message.type === 'ended' && message.sessionId === 'end of test') {
          forget();
          resolve();
        } else {
          messages.push(message);
        }
      });
      send();
      ending.post({ type: 'ended', sessionId: 'end of test' });
    });
    return messages;
  }

  it('carries every kind of message to the other tab, and not back', async () => {
    const messages: SessionMessage[] = [
      { type: 'hello' },
      { type: 'snapshot', sessionId: 's1', snapshot: { total: 3, stop: null } },
      { type: 'ended', sessionId: 's1' },
    ];
    const echoes = vi.fn();
    own.onMessage(({ type }) => type !== 'ended' && echoes(type));
    expect([own.isAvailable, other.isAvailable]).toEqual([true, true]);
    const received = await heard(other, () => {
      for (const message of messages) own.post(message);
    });
    expect(structuredClone(received)).toEqual(messages);
    expect(echoes).not.toHaveBeenCalled();
  });

  it('carries files, which the other tab can read', async () => {
    const file = new File(['bytes'], 'a.jpg', { lastModified: 7 });
    const [message] = await heard(other, () =>
      own.post({ type: 'files', sessionId: 's1', entries: [[4, file]] }),
    );
    if (message?.type !== 'files') return expect.unreachable(JSON.stringify(message));
    const [seq, received] = message.entries[0] ?? [];
    expect([seq, received?.name, received?.lastModified]).toEqual([4, 'a.jpg', 7]);
    expect(await received?.text()).toBe('bytes');
  });

  it('leaves out what it does not know', async () => {
    const stranger = new BroadcastChannel(`bulkhead:${name}:sessions:ann`);
    const garbage: unknown[] = [
      null,
      'hello',
      5,
      [],
      {},
      { type: 'goodbye', sessionId: 's1' },
      { type: 'ended' },
      { type: 'ended', sessionId: 5 },
      { type: 'snapshot', sessionId: 's1' },
      { type: 'snapshot', sessionId: 's1', snapshot: null },
      { type: 'files', sessionId: 's1', entries: {} },
      { type: 'files', sessionId: 's1', entries: [[1, 'no file']] },
      { type: 'files', sessionId: 's1', entries: [['1', new File([], 'a')]] },
    ];
    const received = await heard(other, () => {
      for (const message of garbage) stranger.postMessage(message);
    });
    stranger.close();
    expect(received).toEqual([]);
  });

  it('is another one for another database and another scope', async () => {
    const received = await heard(other, () => {
      openOwn(name, 'bob').post({ type: 'hello' });
      openOwn(`${name}2`, 'ann').post({ type: 'hello' });
    });
    expect(received).toEqual([]);
  });

  it('hears and says nothing any more once it is closed', async () => {
    const listener = vi.fn();
    own.onMessage(listener);
    own.close();
    const received = await heard(other, () => {
      own.post({ type: 'hello' });
      openOwn(name, 'ann').post({ type: 'ended', sessionId: 's9' });
    });
    expect(received.map(({ type }) => type)).toEqual(['ended']);
    expect(listener).not.toHaveBeenCalled();
  });

  it('says so where there is none, and does nothing', () => {
    const forbidden = class {
      constructor() {
        throw new DOMException('denied', 'SecurityError');
      }
    };
    for (const missing of [undefined, forbidden]) {
      vi.stubGlobal('BroadcastChannel', missing);
      const channel = broadcastSessionChannel(name, 'ann');
      expect(channel.isAvailable).toBe(false);
      channel.onMessage(() => expect.unreachable())();
      channel.post({ type: 'hello' });
      channel.close();
    }
  });
});
