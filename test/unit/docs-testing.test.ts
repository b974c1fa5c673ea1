import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { behaviourSchema } from '../../src/testing/fault-options.ts';
import { FAULT_ROUTES } from '../../src/testing/fault-rules.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const docs = read('docs/testing.md');

describe('docs/testing.md', () => {
  it.each(['examples/testing/fault-server-setup.ts', 'examples/testing/flaky-backend.test.ts'])(
    'shows %s as it is run',
    (file) => {
      expect(docs).toContain(`\`\`\`ts\n${read(file)}\`\`\``);
    },
  );

  it('names every route and every behaviour', () => {
    const names = [...FAULT_ROUTES, ...Object.keys(behaviourSchema.shape)];
    for (const name of names) expect(docs, name).toContain(`\`${name}\``);
  });
});
