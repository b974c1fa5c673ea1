import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** test/browser/frameworks.test.ts runs them. */
describe('docs/react.md and docs/frameworks.md', () => {
  it.each([
    ['docs/react.md', 'examples/frameworks/react-uploads.tsx', 'tsx'],
    ['docs/frameworks.md', 'examples/frameworks/vue-uploads.ts', 'ts'],
    ['docs/frameworks.md', 'examples/frameworks/svelte-uploads.ts', 'ts'],
    ['docs/frameworks.md', 'examples/frameworks/Uploads.svelte', 'svelte'],
  ])('%s shows %s as it is run', (page, file, language) => {
    expect(read(page)).toContain(`\`\`\`${language}\n${read(file)}\`\`\``);
  });
});
