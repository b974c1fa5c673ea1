import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  connectFaultServer,
  createFaultServer,
  type FaultServer,
  type FaultServerClient,
} from '../../src/testing/index.ts';
import { WireClient, wireFile } from '../support/wire-client.ts';

let server: FaultServer;
let remote: FaultServerClient;

beforeEach(async () => {
  server = await createFaultServer();
  remote = await connectFaultServer(server.url);
});
afterEach(() => server.close());

describe('a client of the fault server', () => {
  it('knows both origins', () => {
    expect([remote.url, remote.storeUrl]).toEqual([server.url, server.storeUrl]);
  });

  it('gives every command that the server itself has', async () => {
    const wire = new WireClient(server.url);
    await remote.plan([{ match: { route: 'credentials', nth: 1 }, do: { status: 500 } }]);
    const { status } = await wire.post('/api/upload-urls', {});
    expect(status).toBe(500);
    const file = wireFile();
    const { filename, mimeType, size, checksum } = file;
    const credential = await remote.sign({ filename, mimeType, size, checksum });
    expect((await wire.put(credential, file.body)).status).toBe(200);
    await remote.behave({ hasCors: false });
    await remote.down('stats');
    await remote.up();
    await remote.advance(1_000);
    await remote.process({ processMs: 1 });
    await remote.dropStreams();
    expect(await remote.invariants({ uploads: [] })).toEqual(server.invariants({ uploads: [] }));
    expect(await remote.state()).toEqual(server.state());
    await remote.reset();
    expect((await remote.state()).requests).toEqual([]);
  });

  it('tells why a command was refused', async () => {
    await expect(remote.plan([{ do: 'explode' as 'reset' }])).rejects.toThrow('plan.0.do');
    await expect(connectFaultServer('http://127.0.0.1:9')).rejects.toThrow('No fault server');
  });

  it('spawns servers that know nothing of one another and end together', async () => {
    const [first, second] = await Promise.all([remote.spawn(), remote.spawn({ api: false })]);
    await new WireClient(first.url).credential(wireFile());
    expect((await first.state()).requests).toHaveLength(1);
    expect((await second.state()).requests).toEqual([]);
    await server.close();
    await expect(first.state()).rejects.toThrow('No fault server');
    server = await createFaultServer();
  });
});
