import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ProcessingEvent, processingEventSchema } from '../../src/protocol/index.ts';
import { createFaultServer, type FaultServer } from '../../src/testing/index.ts';
import { WireClient, wireFile } from '../support/wire-client.ts';

let server: FaultServer;
let client: WireClient;
const streams: AbortController[] = [];

beforeEach(async () => {
  server = await createFaultServer({ processing: { processMs: 30, embedMs: 30 } });
  client = new WireClient(server.url);
});
afterEach(async () => {
  for (const stream of streams.splice(0)) stream.abort();
  await server.close();
});

/** Reads a stream in the background. */
async function listen(lastEventId?: number) {
  const controller = new AbortController();
  streams.push(controller);
  const response = await fetch(`${server.url}/api/sse/processing-updates`, {
    signal: controller.signal,
    headers: lastEventId === undefined ? {} : { 'last-event-id': String(lastEventId) },
  });
  const events: ProcessingEvent[] = [];
  const state = { isOpen: true };
  void (async () => {
    let text = '';
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body ?? []) {
        text += decoder.decode(chunk, { stream: true });
        const blocks = text.split('\n\n');
        text = blocks.pop() ?? '';
        for (const block of blocks) {
          const data = /^data: (.*)$/m.exec(block)?.[1];
          if (data) events.push(processingEventSchema.parse(JSON.parse(data)));
        }
      }
    } catch {
      // Cut, by the server or by the test.
    }
    state.isOpen = false;
  })();
  const versions = () =>
    events.flatMap((event) => (event.type === 'assets' ? event.changes : [])).map((c) => c.version);
  return { events, versions, state };
}

describe('the event stream of the fault server', () => {
  it('sends the counts, then every change', async () => {
    const { events, versions } = await listen();
    await client.upload(wireFile());
    await vi.waitFor(() => expect(versions()).toEqual([1, 2, 3]), 10_000);
    expect(events[0]).toMatchObject({ type: 'progress', stats: { total: 0 } });
    await vi.waitFor(() =>
      expect(events.at(-1)).toMatchObject({ type: 'progress', stats: { embedded: 1 } }),
    );
  });

  it('sends what was missed to whoever comes back', async () => {
    await client.upload(wireFile());
    await vi.waitFor(() => expect(server.state().assets[0]?.version).toBe(3), 10_000);
    const { versions } = await listen(2);
    await vi.waitFor(() => expect(versions()).toEqual([3]), 10_000);
    const upToDate = await listen(3);
    await vi.waitFor(() => expect(upToDate.events).toHaveLength(1), 10_000);
    expect(upToDate.versions()).toEqual([]);
  });

  it('can be broken', async () => {
    const { state } = await listen();
    expect(server.state().streams).toBe(1);
    server.dropStreams();
    await vi.waitFor(() => expect(state.isOpen).toBe(false), 10_000);
    await vi.waitFor(() => expect(server.state().streams).toBe(0), 10_000);
  });

  it('can end after a while, as proxies end it', async () => {
    server.plan([
      { match: { route: 'events' }, at: 'after-commit', do: { delayMs: 50 } },
      { match: { route: 'events' }, at: 'after-commit', do: 'close' },
    ]);
    const { events, state } = await listen();
    await vi.waitFor(() => expect(state.isOpen).toBe(false), 10_000);
    expect(events).toHaveLength(1);
  });

  it('can be silent', async () => {
    server.behave({ events: 'muted' });
    const { events } = await listen();
    await client.upload(wireFile());
    await vi.waitFor(() => expect(server.state().assets[0]?.stage).toBe('searchable'), 10_000);
    expect(events).toEqual([]);
  });

  it('can send newer changes before older ones', async () => {
    server.behave({ events: 'reversed' });
    const { versions } = await listen();
    await client.upload(wireFile());
    await vi.waitFor(() => expect(versions()).toHaveLength(3), 10_000);
    expect(versions()).not.toEqual([1, 2, 3]);
    expect(new Set(versions())).toEqual(new Set([1, 2, 3]));
  });

  it('can send every change twice, the second time too late', async () => {
    server.behave({ events: 'repeated' });
    const { versions } = await listen();
    await client.upload(wireFile());
    await vi.waitFor(() => expect(versions()).toEqual([1, 2, 1, 3, 2]), 10_000);
  });
});
