/**
 * Imported first by scripts that need Node 24. `npm run` puts the repository's own Node on PATH;
 * a bare `node scripts/build.mjs` gets the machine's, and is started again here with ours.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../node_modules/.bin/', import.meta.url));

if (Number(process.versions.node.split('.')[0]) < 24) {
  const node = path.join(folder, process.platform === 'win32' ? 'node.exe' : 'node');
  if (!existsSync(node)) {
    console.error('This needs Node 24, and the repository has none yet: run `npm ci` first.');
    process.exit(1);
  }
  // A terminal sends Ctrl-C to both; this one stays until the new process has ended as it wants.
  process.on('SIGINT', () => {
    if (!process.stdin.isTTY) child.kill('SIGINT');
  });
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  const child = spawn(node, [...process.execArgv, ...process.argv.slice(1)], { stdio: 'inherit' });
  const code = await new Promise((resolve) => child.on('close', (code) => resolve(code ?? 1)));
  process.exit(code);
}

// What these scripts start by name runs on the same Node.
if (!(process.env.PATH ?? '').split(path.delimiter).includes(folder)) {
  process.env.PATH = `${folder}${path.delimiter}${process.env.PATH ?? ''}`;
}
