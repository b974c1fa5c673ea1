import { describe, expect, it } from 'vitest';
import { createUploader } from '../../src/create-uploader.ts';
import { UploadError } from '../../src/errors/upload-error.ts';
import type { AdapterDefinition } from '../../src/transports/complete-adapter.ts';
import { defineAdapter } from '../../src/transports/define-adapter.ts';
import { textFiles, textHasher } from '../support/uploader-world.ts';
import { VirtualRuntime } from '../support/virtual-runtime.ts';

type Named = { readonly id: string };

const credentialOf = ({ id }: Named) => ({
  ...{ uploadUrl: 'http://store/', assetId: id, pathname: id, method: 'PUT', headers: {} },
  ...{ expiresAt: '2100-01-01T00:00:00Z', expiresInMs: 300_000 },
});
const grantedTo = (file: Named) => ({ status: 'granted', credential: credentialOf(file) });
const toEach = (answer: (file: Named) => unknown) => async (files: readonly Named[]) =>
  files.map(answer);
const toPack = (answer: (file: Named) => unknown) => async (request: { items: readonly Named[] }) =>
  request.items.map(answer);
const PACK = { maxFiles: 10, maxBytes: 1_000_000, maxFileBytes: 1_000_000 };

/** What three files come to within ten minutes, by an adapter that is partly wrong. */
async function outcomeOf(wrong: Readonly<Record<string, unknown>>) {
  const runtime = new VirtualRuntime(1);
  const definition = {
    ...{ name: 'wrong', credentials: toEach(grantedTo), put: async () => 'stored' },
    ...wrong,
  } as unknown as AdapterDefinition;
  const adapter = defineAdapter(definition);
  const uploader = createUploader({ adapter, runtime, hasher: textHasher(runtime) });
  let isDone = false;
  void uploader.done().then(() => {
    isDone = true;
  });
  await uploader.add(textFiles(3));
  await runtime.advance(10 * 60_000);
  const uploads = [...uploader.uploads()];
  const failures = uploads.map((upload) => ('failure' in upload ? upload.failure : undefined));
  return { statuses: uploads.map(({ status }) => status), failures, runtime, isDone };
}

describe('an adapter that answers something else than it should', () => {
  it.each([
    [
      'a bare credential',
      { credentials: toEach(credentialOf) },
      'credentials() answered { uploadUrl,',
    ],
    [
      'no credential',
      { credentials: toEach(() => ({ status: 'granted' })) },
      'credentials() answered',
    ],
    [
      'half a credential',
      { credentials: toEach(({ id }) => ({ status: 'granted', credential: { assetId: id } })) },
      'expiresInMs, not { assetId }',
    ],
    [
      'a duplicate of nothing',
      { credentials: toEach(() => ({ status: 'duplicate' })) },
      "expected { status: 'duplicate', assetId }",
    ],
    ['no list of results', { credentials: async () => ({ results: [] }) }, 'which is no list'],
    ['nothing to credentials', { credentials: async () => undefined }, 'answered undefined'],
    ['no result for a file', { credentials: async () => [] }, 'credentials() answered undefined'],
    [
      'an error of an unknown code',
      { credentials: toEach(() => ({ status: 'failed', error: { code: 'E42', secret: 1 } })) },
      'error: { code, secret }',
    ],
    ['an unknown word to put', { put: async () => 'ok' }, "put() answered 'ok'; expected 'stored'"],
    ['nothing to put', { put: async () => undefined }, 'put() answered undefined'],
    ['finalized without an asset', { put: async () => ({ finalized: {} }) }, 'put() answered'],
    [
      'results of another method to putPack',
      { capabilities: { pack: PACK }, putPack: toPack(() => ({ status: 'stored' })) },
      undefined,
    ],
    [
      'nothing to putPack',
      { capabilities: { pack: PACK }, putPack: async () => undefined },
      undefined,
    ],
    ['empty results to finalize', { finalize: toEach(() => ({})) }, 'finalize() answered {'],
    ['nothing to finalize', { finalize: async () => undefined }, 'finalize() answered undefined'],
    [
      'finalized without an asset to finalize',
      { finalize: toEach(() => ({ status: 'finalized' })) },
      "expected { status: 'finalized', asset }",
    ],
  ])('fails the files by name, within minutes: %s', async (_what, wrong, message) => {
    const { statuses, failures, runtime, isDone } = await outcomeOf(wrong);
    expect(isDone).toBe(true);
    expect(runtime.errors).toEqual([]);
    if (message === undefined) {
      // A file that a pack did not bring over goes alone.
      expect(statuses).toEqual(['embedding', 'embedding', 'embedding']);
      return;
    }
    expect(statuses).toEqual(['dead', 'dead', 'dead']);
    for (const failure of failures) {
      expect(failure?.code).toBe('unexpected_response');
      expect(failure?.message).toContain(message);
    }
  });

  it('never tells what it answered, only its shape', async () => {
    const secret = 'a-token-that-is-nobody-else’s-business';
    const { failures } = await outcomeOf({ credentials: toEach(() => ({ token: secret })) });
    expect(failures[0]?.message).toContain('{ token }');
    expect(JSON.stringify(failures)).not.toContain(secret);
  });

  it('may give a failure as plain data, if its code is known', async () => {
    const error = { code: 'quota_exceeded', message: 'No room.' };
    const { statuses, failures } = await outcomeOf({
      credentials: toEach(() => ({ status: 'failed', error })),
    });
    expect(statuses).toEqual(['rejected', 'rejected', 'rejected']);
    expect(failures[0]).toMatchObject(error);
  });

  it('may answer without a promise', async () => {
    const { statuses } = await outcomeOf({ put: () => 'stored' });
    expect(statuses).toEqual(['embedding', 'embedding', 'embedding']);
  });
});

describe('a classify that throws', () => {
  it('is reported, and the failure counts as if it had not been asked', async () => {
    const fault = new TypeError('error.response is undefined');
    const { statuses, failures, runtime } = await outcomeOf({
      put: async () => {
        throw new TypeError('Failed to fetch');
      },
      classify: () => {
        throw fault;
      },
    });
    expect(statuses).toEqual(['dead', 'dead', 'dead']);
    expect(failures[0]).toMatchObject({ code: 'unexpected', message: 'Failed to fetch' });
    expect(new Set(runtime.errors)).toEqual(new Set([fault]));
  });

  it('may give plain data of a known code', async () => {
    const { statuses, failures } = await outcomeOf({
      put: async () => {
        throw new Error('403');
      },
      classify: () => ({ code: 'store_refused', message: 'No.' }),
    });
    expect(statuses).toEqual(['dead', 'dead', 'dead']);
    expect(failures[0]).toMatchObject({ code: 'store_refused', message: 'No.' });
  });
});

it('a plain failure of an unknown code is no UploadError by accident', async () => {
  const { failures } = await outcomeOf({
    credentials: toEach(() => ({ status: 'failed', error: { code: 'toString' } })),
  });
  expect(failures[0]?.code).toBe('unexpected_response');
  expect(new UploadError('internal', 'x').code).toBe('internal');
});
