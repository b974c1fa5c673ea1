import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { build } from '../../scripts/build.mjs';

const ROOT = path.resolve(import.meta.dirname, '../..');
const run = promisify(execFile);

export interface PackedPackage {
  readonly name: string;
  /** In the repository. */
  readonly folder: string;
  readonly tarball: string;
  /** Paths within the package. */
  readonly files: readonly string[];
}

/** Both packages as `npm publish` would send them, and a folder for an app that installed them. */
export interface PackedPackages {
  readonly packages: readonly PackedPackage[];
  /** Has `node_modules` with the tarballs unpacked, and the repository's own copies of their dependencies. */
  readonly app: string;
  remove(): Promise<void>;
}

/** Builds what is stale and packs both packages. Nothing is fetched. */
export async function packPackages(): Promise<PackedPackages> {
  await build();
  const folder = await mkdtemp(path.join(tmpdir(), 'bulkhead-packed-'));
  const app = path.join(folder, 'app');
  const modules = path.join(app, 'node_modules');
  const packages = [await pack('', folder), await pack('server', folder)];
  for (const { name, tarball } of packages) {
    const target = path.join(modules, name);
    await mkdir(target, { recursive: true });
    await run('tar', ['-xzf', tarball, '-C', target, '--strip-components=1']);
  }
  for (const { folder: source } of packages) await linkDependencies(source, modules);
  return { packages, app, remove: () => rm(folder, { recursive: true, force: true }) };
}

async function pack(folder: string, destination: string): Promise<PackedPackage> {
  const cwd = path.join(ROOT, folder);
  const args = ['pack', '--json', '--ignore-scripts', `--pack-destination=${destination}`];
  const shell = process.platform === 'win32';
  const { stdout } = await run('npm', args, { cwd, shell, maxBuffer: 64 * 1024 * 1024 });
  const answer: unknown = JSON.parse(stdout);
  // npm 11 answers with a list, later ones with an object by name.
  const [packed] = Object.values(
    answer as Record<string, { name: string; filename: string; files: { path: string }[] }>,
  );
  if (!packed) throw new Error(`npm packed nothing in ${cwd}`);
  return {
    name: packed.name,
    folder: cwd,
    tarball: path.join(destination, packed.filename.replace('@', '').replace('/', '-')),
    files: packed.files.map((file) => file.path),
  };
}

/** Of what the package depends on, and of Node's and React's types, which are a user's own. */
async function linkDependencies(folder: string, modules: string): Promise<void> {
  const manifest = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8'));
  const own = ['@types/node', '@types/react', 'react', 'react-dom'];
  for (const name of [...Object.keys(manifest.dependencies ?? {}), ...own]) {
    const target = path.join(modules, name);
    await mkdir(path.dirname(target), { recursive: true });
    await symlink(path.join(ROOT, 'node_modules', name), target).catch((error) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}
