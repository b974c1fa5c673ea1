/**
 * Writes the API reference from JSDoc: `npm run docs:api`. TypeDoc needs the compiler API that TypeScript 7 no
 * longer has, so this folder is a workspace with a TypeScript of its own.
 */
import '../on-node-24.mjs';
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const folder = fileURLToPath(new URL('.', import.meta.url));
const target = path.resolve(folder, '../../docs/api');

/**
 * @param {string} out where the pages go
 * @throws {Error} with TypeDoc's words, when it fails or has something to complain of
 */
export async function writeApiReference(out) {
  const main = createRequire(import.meta.url).resolve('typedoc/package.json');
  const bin = path.join(path.dirname(main), 'bin/typedoc');
  const args = [bin, '--options', 'typedoc.json', '--out', out];
  await promisify(execFile)(process.execPath, args, { cwd: folder }).catch((error) => {
    throw new Error(`TypeDoc failed:\n${error.stdout ?? ''}${error.stderr ?? ''}`, {
      cause: error,
    });
  });
}

if (import.meta.main) {
  rmSync(target, { recursive: true, force: true });
  await writeApiReference(target);
  console.log(`Written to ${path.relative(process.cwd(), target)}`);
}
