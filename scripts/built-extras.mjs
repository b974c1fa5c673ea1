/**
 * What goes beside the built scripts: types for CommonJS, the hash of each script that pages may load as it is, and
 * the licences of what is bundled into those. `build.mjs` writes them.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Scripts that import nothing: pages may load them from a file server or a CDN. */
const WHOLE_SCRIPTS = ['bulkhead.global.js', 'bulkhead-element.global.js', 'hash-worker.js'];
/** What the build says of them; see `metafile` in tsup.config.ts. The element's has all of the other's packages. */
const METAFILES = ['metafile-iife.json', 'metafile-esm.json'];

/** What a declaration imports from beside itself: tsc leaves the names of sources in them. */
const RELATIVE = /((?:from|import)\s*\(?\s*['"]\.{1,2}\/[^'"]+)\.[jt]s(?=['"])/g;

/**
 * Makes declarations import what is built, and writes a `.d.cts` for every `.d.ts`. In a package of ES modules a
 * `.d.ts` speaks of one, and TypeScript (`node16`) would not let CommonJS require it.
 *
 * @param {string} dist
 */
export function finishTypes(dist) {
  const files = readdirSync(dist, { recursive: true, encoding: 'utf8' });
  for (const file of files.filter((name) => name.endsWith('.d.ts'))) {
    const types = readFileSync(path.join(dist, file), 'utf8');
    writeFileSync(path.join(dist, file), types.replace(RELATIVE, '$1.js'));
    writeFileSync(
      path.join(dist, file.replace(/\.ts$/, '.cts')),
      types.replace(RELATIVE, '$1.cjs'),
    );
  }
}

/**
 * Writes `sri.json`: what `integrity="…"` has to be for each script (W3C Subresource Integrity).
 *
 * @param {string} dist
 * @returns {Record<string, string>} `sha384-…` by file name
 */
export function writeIntegrity(dist) {
  const hashes = Object.fromEntries(
    WHOLE_SCRIPTS.map((name) => {
      const digest = createHash('sha384').update(readFileSync(path.join(dist, name)));
      return [name, `sha384-${digest.digest('base64')}`];
    }),
  );
  writeFileSync(path.join(dist, 'sri.json'), `${JSON.stringify(hashes, null, 2)}\n`);
  return hashes;
}

/**
 * Writes `THIRD_PARTY_LICENSES.txt`: name, version and licence text of every package of which code is in the whole
 * scripts, by the metafiles that the build left in `dist`, which are not published.
 *
 * @param {string} root of the repository
 * @param {string} dist
 * @returns {string[]} the packages' names, sorted
 * @throws {Error} when a package has no licence text
 */
export function writeLicences(root, dist) {
  const packages = new Set();
  for (const name of METAFILES) {
    for (const input of bundledInputs(JSON.parse(readFileSync(path.join(dist, name), 'utf8')))) {
      const [, owner] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input) ?? [];
      if (owner) packages.add(owner);
    }
  }
  const names = [...packages].sort();
  const intro = `Code of these packages is part of ${WHOLE_SCRIPTS.join(', ')}.\n`;
  const texts = names.map((name) => licenceOf(root, name));
  writeFileSync(path.join(dist, 'THIRD_PARTY_LICENSES.txt'), [intro, ...texts].join('\n'));
  return names;
}

/** Only what is left after tree shaking. */
function bundledInputs({ outputs }) {
  return Object.values(outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([input, { bytesInOutput }]) =>
      bytesInOutput > 0 ? [input] : [],
    ),
  );
}

function licenceOf(root, name) {
  const folder = path.join(root, 'node_modules', name);
  const { version, license } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e(\.|$)/i.test(entry));
  if (!file || !existsSync(path.join(folder, file))) {
    throw new Error(`${name} has no licence text, and code of it is in the bundle`);
  }
  const text = readFileSync(path.join(folder, file), 'utf8').trim();
  return `${'-'.repeat(80)}\n${name} ${version} (${license})\n\n${text}\n`;
}
