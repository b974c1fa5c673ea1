import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bulkheadAdapter } from '../../src/transports/bulkhead-adapter.ts';
import { formPostAdapter } from '../../src/transports/form-post-adapter.ts';
import { s3PresignedAdapter, s3TemporaryCredentialsAdapter } from '../../src/transports/s3.ts';
import { tusAdapter } from '../../src/transports/tus-adapter.ts';
import { vercelBlobAdapter } from '../../src/transports/vercel-blob-adapter.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const docs = read('docs/adapters.md');

/** The row of the table that begins with these words. */
function rowOf(name: string): string[] {
  const line = docs.split('\n').find((each) => each.startsWith(`| ${name} |`)) ?? '';
  return line
    .split('|')
    .map((cell) => cell.trim())
    .slice(2, -1);
}

const unused = async () => {
  throw new Error('Not called here');
};
const ADAPTERS = {
  '`bulkheadAdapter`': bulkheadAdapter(),
  '`s3PresignedAdapter`': s3PresignedAdapter({
    ...{ sign: unused, head: unused, createMultipart: unused, signParts: unused },
    ...{ listParts: unused, completeMultipart: unused, abortMultipart: unused },
    ...{ createOnly: true, verifiesChecksums: true },
  }),
  '`s3TemporaryCredentialsAdapter`': s3TemporaryCredentialsAdapter({
    ...{ credentials: unused, bucket: 'photos', region: 'eu-central-1', key: ({ id }) => id },
  }),
  '`vercelBlobAdapter`': vercelBlobAdapter({ handleUploadUrl: '/api/blob', access: 'public' }),
  '`tusAdapter`': tusAdapter({ endpoint: 'http://tus.test/files' }),
  '`formPostAdapter`': formPostAdapter(),
};

describe('docs/adapters.md', () => {
  it.each(['backend.ts', 'my-adapter.ts', 'express-server.ts'])('shows %s as it is run', (file) => {
    expect(docs).toContain(`\`\`\`ts\n${read(`examples/adapter/${file}`)}\`\`\``);
  });

  it.each(Object.entries(ADAPTERS))('tells of %s what it says of itself', (name, adapter) => {
    const { capabilities, head } = adapter;
    const yes = (is: boolean | undefined) => (is ? 'yes' : 'no');
    expect(rowOf(name)).toEqual([
      expect.any(String),
      expect.stringMatching(`^${yes(capabilities.createOnly)}`),
      expect.stringMatching(`^${capabilities.checksum === 'sha256' ? 'SHA-256' : 'no'}`),
      expect.stringMatching(`^${yes(capabilities.multipart)}`),
      expect.any(String),
      expect.stringMatching(
        `^${head ? 'head' : capabilities.verifiesAtFinalize ? 'finalize' : 'the next PUT'}`,
      ),
    ]);
  });

  it('names every option of every adapter', () => {
    for (const file of [
      's3-presigned',
      's3-temporary-credentials',
      'vercel-blob',
      'tus',
      'form-post',
    ]) {
      const source = read(`src/transports/${file}-adapter.ts`).split('optionsSchema = ')[1] ?? '';
      const schema = source.split('\n});')[0] ?? '';
      for (const [, name] of schema.matchAll(/^ {2}(\w+): /gm)) {
        expect(docs, `${file}: ${name}`).toContain(`\`${name}`);
      }
    }
  });
});
