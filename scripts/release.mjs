/**
 * Releases both packages in the version of package.json.
 *
 *   npm run release               checks everything and says what would be published
 *   npm run release -- --publish  and publishes it with provenance; in CI only, which vouches for where it was built
 */
import './on-node-24.mjs';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { obstaclesTo } from './release-checks.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
/** The server depends on the SDK: that one goes first. */
const FOLDERS = ['.', 'server'];
/** Where npm gets the identity from that the provenance is signed with (GitHub, GitLab). */
const IDENTITIES = ['ACTIONS_ID_TOKEN_REQUEST_URL', 'SIGSTORE_ID_TOKEN'];

const isPublishing = process.argv.includes('--publish');
const read = (file) => readFileSync(path.join(root, file), 'utf8');
const lines = (...args) =>
  execFileSync('git', args, { cwd: root, encoding: 'utf8' }).split('\n').filter(Boolean);

const sdk = JSON.parse(read('package.json'));
const obstacles = obstaclesTo({
  changedFiles: lines('status', '--porcelain').map((line) => line.slice(3)),
  sdk,
  server: JSON.parse(read('server/package.json')),
  changelog: read('CHANGELOG.md'),
  tags: lines('tag'),
});
if (isPublishing && !IDENTITIES.some((name) => process.env[name])) {
  obstacles.push(
    'Publish in CI with an identity token: nobody vouches for what was built elsewhere',
  );
}
if (obstacles.length > 0)
  fail(`${sdk.version} cannot be released yet:\n  ${obstacles.join('\n  ')}`);

step('node', ['scripts/build.mjs', '--force'], root);
step('node', ['scripts/test.mjs'], root);
const left = lines('status', '--porcelain');
if (left.length > 0) fail(`The build or the tests changed files:\n  ${left.join('\n  ')}`);

const publish = ['publish', '--access', 'public', '--provenance'];
for (const folder of FOLDERS) {
  const args = isPublishing ? publish : ['pack', '--dry-run'];
  step('npm', args, path.join(root, folder));
}
console.log(
  isPublishing
    ? `\nPublished. Tag it: git tag v${sdk.version} && git push origin v${sdk.version}`
    : `\n${sdk.version} can be released: npm run release -- --publish`,
);

function step(command, args, cwd) {
  console.log(
    `\n▶ ${command} ${args.join(' ')}${cwd === root ? '' : ` (${path.relative(root, cwd)})`}`,
  );
  const shell = process.platform === 'win32';
  const { status } = spawnSync(command, args, { cwd, stdio: 'inherit', shell });
  if (status !== 0) fail(`${command} ${args.join(' ')} failed: nothing more was done`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
