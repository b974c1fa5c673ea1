import { describe, expect, inject, it } from 'vitest';
import { UploadError } from '../../src/errors/upload-error.ts';
import { bulkheadConformance } from '../../src/testing/client.ts';
import type { UploadAdapter } from '../../src/transports/adapter.ts';
import { bulkheadAdapter } from '../../src/transports/bulkhead-adapter.ts';

/** A way to get an adapter wrong, and the case that has to find it. */
type Sabotage = [
  mistake: string,
  foundBy: string,
  break_: (adapter: UploadAdapter) => Partial<UploadAdapter>,
];

const SABOTAGES: Sabotage[] = [
  [
    'answers out of order',
    'credentials come in the order of the files, each for its own',
    ({ credentials }) => ({
      credentials: async (files, signal) => [...(await credentials(files, signal))].reverse(),
    }),
  ],
  [
    'a new id for every try',
    'the same upload asked again gets the same asset',
    ({ credentials }) => ({
      credentials: (files, signal) =>
        credentials(
          files.map((file) => ({ ...file, id: crypto.randomUUID() })),
          signal,
        ),
    }),
  ],
  [
    'a conflict taken for success',
    'a PUT of what is stored already says so and replaces nothing',
    ({ put }) => ({ put: (request) => put(request).catch(() => 'stored') }),
  ],
  [
    'a lost answer taken for a refusal',
    'a store that is silent after the last byte leaves the PUT unknown',
    ({ put }) => ({
      async put(request) {
        if ((await put(request)) === 'stored') return 'stored';
        throw new UploadError('store_refused', 'refused');
      },
    }),
  ],
  [
    'a PUT that cannot be cancelled',
    'a PUT that was cancelled beforehand sends nothing',
    ({ put }) => ({
      put: (request) => put({ ...request, signal: new AbortController().signal }),
    }),
  ],
  [
    'a signed URL in a message',
    'no failure shows a signed URL',
    ({ put }) => ({
      put: (request) =>
        put(request).catch(({ code }: UploadError) => {
          throw new UploadError(code, `PUT ${request.credential.uploadUrl} failed`);
        }),
    }),
  ],
  [
    'what is only stored taken for finalized',
    'reconcile knows what was finalized, what was stored and what was not, in order',
    ({ reconcile }) => ({
      reconcile: async (files, signal) => {
        const results = (await reconcile?.(files, signal)) ?? [];
        return results.map((result) =>
          result.kind === 'uploaded'
            ? { ...result, kind: 'finalized', isDuplicate: false, needsProcessing: true }
            : result,
        );
      },
    }),
  ],
  [
    'a question that reserves what it asks for',
    'reconcile changes nothing',
    ({ reconcile, credentials }) => ({
      reconcile: async (files, signal) => {
        const about = { name: 'a.jpg', path: 'a.jpg', sizeBytes: 1, mimeType: 'image/jpeg' };
        await credentials(
          files.map((file) => ({ ...file, ...about })),
          signal,
        );
        return (await reconcile?.(files, signal)) ?? [];
      },
    }),
  ],
  [
    'a watch that never stops',
    'a watch that is stopped closes its stream and stays silent',
    ({ watch }) => ({
      watch: (listener) => {
        watch?.(listener);
        return () => {};
      },
    }),
  ],
];

describe('the conformance suite for adapters', () => {
  it.each(SABOTAGES)('finds %s', async (_, foundBy, sabotage) => {
    const cases = bulkheadConformance({
      serverUrl: inject('faultServerUrl'),
      create: ({ url, runtime }) => {
        const adapter = bulkheadAdapter({ baseUrl: url }, runtime);
        return { ...adapter, ...sabotage(adapter) };
      },
    });
    const found = cases.find(({ name }) => name === foundBy);
    await expect(found?.run()).rejects.toThrow(
      expect.objectContaining({ name: 'ConformanceError' }),
    );
  });

  it('asks nothing of a method that an adapter says it lacks', async () => {
    const cases = bulkheadConformance({
      serverUrl: inject('faultServerUrl'),
      create: ({ url, runtime }) => {
        const { reconcile: _, ...adapter } = bulkheadAdapter({ baseUrl: url }, runtime);
        return adapter;
      },
      capabilities: { reconcile: false },
    });
    await cases[0]?.run();
    expect(cases.filter(({ name }) => name.includes('reconcile'))).toEqual([]);
  });

  it('finds a method that is missing', async () => {
    const [declared] = bulkheadConformance({
      serverUrl: inject('faultServerUrl'),
      create: ({ url, runtime }) => {
        const { watch: _, ...adapter } = bulkheadAdapter({ baseUrl: url }, runtime);
        return adapter;
      },
    });
    await expect(declared?.run()).rejects.toThrow('It has watch');
  });
});
