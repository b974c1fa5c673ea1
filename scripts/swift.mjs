/**
 * A real S3 server for the tests: OpenStack Swift with its S3 interface, started on free ports in a
 * temporary folder, which ends with the tests. Runs before anything is installed: Node built-ins only.
 *
 * Swift 2.35 is the first that checks `x-amz-checksum-sha256`, and newer than what Debian 12 has. So its
 * own files are unpacked from Debian 13's packages into a folder of the project, and only what they need
 * is installed.
 */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findExecutable } from './find-executable.mjs';
import { freePort, ServiceError } from './services.mjs';
import { SWIFT_SERVERS, serverConf, swiftConf } from './swift-conf.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const cache = path.join(root, 'node_modules', '.cache', 'bulkhead-swift');
const SUITE = 'trixie';
/** Of Swift itself: Python files, the same on every release. */
const UNPACKED = [
  'python3-swift',
  'swift',
  'swift-proxy',
  'swift-account',
  'swift-container',
  'swift-object',
];
/** The libraries that those import, from the release that runs here. */
const INSTALLED = ['python3-swift', 'memcached'];
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
/** The system's own Python, which has the libraries; another may come first on PATH. */
const PYTHON = '/usr/bin/python3';
/** Swift's own programs read /etc/swift/swift.conf and take no other. */
const LAUNCHER = `
import importlib, sys
from swift.common import utils
folder, module, conf = sys.argv[1:]
utils.set_swift_dir(folder)
sys.argv = [module, conf]
sys.exit(importlib.import_module(module).main())
`;
/** One device and one replica each, as swift-ring-builder makes them: nine of its processes take 4 s. */
const RINGS = `
import os, sys
from swift.common.ring import RingBuilder
folder, *rings = sys.argv[1:]
for name, port in zip(rings[::2], rings[1::2]):
    builder = RingBuilder(4, 1, 1)
    place = {'region': 1, 'zone': 1, 'ip': '127.0.0.1', 'port': int(port), 'device': 'd1'}
    replication = {'replication_ip': '127.0.0.1', 'replication_port': int(port)}
    builder.add_dev({**place, **replication, 'weight': 1.0, 'meta': ''})
    builder.rebalance()
    builder.get_ring().save(os.path.join(folder, name + '.ring.gz'))
`;
const START_MS = 60_000;
const USER = 'test:tester';
const PASSWORD = 'testing';

const ADVICE =
  'Run "npm test" as root on Debian, which sets it up, or name any S3 server: ' +
  'BULKHEAD_TEST_S3=https://ACCESS_KEY:SECRET_KEY@host:port?region=us-east-1';

/**
 * `BULKHEAD_TEST_S3` (a URL with access key and secret key as its user and password; in its query `region`, and
 * `kind=swift` where it is one), or a Swift of our own.
 */
export async function findOrStartS3() {
  const given = process.env.BULKHEAD_TEST_S3;
  if (given) return { ...parseS3Url(given), stop: async () => {} };
  return startSwift();
}

/** What `BULKHEAD_TEST_S3` must be for others to use this one. */
export function s3Url({ endpoint, region, accessKeyId, secretAccessKey, isSwift }) {
  const url = new URL(endpoint);
  url.username = encodeURIComponent(accessKeyId);
  url.password = encodeURIComponent(secretAccessKey);
  url.search = new URLSearchParams({ region, ...(isSwift ? { kind: 'swift' } : {}) });
  return url.href;
}

/** @throws {ServiceError} naming what the URL lacks. */
export function parseS3Url(text) {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url?.username || !url.password) {
    throw new ServiceError(
      'BULKHEAD_TEST_S3 must be a URL with keys: https://ACCESS_KEY:SECRET_KEY@host:port?region=…',
    );
  }
  return {
    endpoint: url.origin,
    region: url.searchParams.get('region') ?? 'us-east-1',
    accessKeyId: decodeURIComponent(url.username),
    secretAccessKey: decodeURIComponent(url.password),
    isSwift: url.searchParams.get('kind') === 'swift',
  };
}

/** Where Swift's files and memcached are; nothing when one is missing. */
export function findSwift() {
  const bin = path.join(cache, 'usr', 'bin');
  const memcached = findExecutable({
    variable: 'BULKHEAD_MEMCACHED',
    names: ['memcached'],
    places: ['/usr/bin/memcached'],
    env: process.env,
  });
  const isUnpacked = SWIFT_SERVERS.concat('proxy').every((name) =>
    exists(bin, `swift-${name}-server`),
  );
  const hasLibraries = exists('/usr/lib/python3/dist-packages', 'eventlet');
  if (!memcached || !isUnpacked || !hasLibraries) return undefined;
  return { bin, memcached, pythonPath: path.join(cache, 'usr', 'lib', 'python3', 'dist-packages') };
}

/**
 * Installs what is missing, on Debian as root. `step(title, command, args, options)` runs one command
 * and throws when it fails.
 * @throws {ServiceError} where it cannot, saying what to do.
 */
export async function ensureSwift(step) {
  if (process.env.BULKHEAD_TEST_S3 || findSwift()) return;
  if (process.getuid?.() !== 0 || !exists('/usr/bin', 'apt-get')) {
    throw new ServiceError(`There is no S3 server for the tests. ${ADVICE}`);
  }
  await step(`Installing what Swift needs (apt-get install ${INSTALLED.join(' ')})`, 'apt-get', [
    'install',
    '-y',
    '-qq',
    '--no-install-recommends',
    ...INSTALLED,
  ]);
  const apt = mkdtempSync(path.join(tmpdir(), 'bulkhead-apt-'));
  try {
    const sources = path.join(apt, 'sources.list');
    writeFileSync(
      sources,
      mirrors()
        .map((mirror) => `deb ${mirror} ${SUITE} main\n`)
        .join(''),
    );
    for (const folder of ['lists', 'cache/archives/partial', 'debs']) {
      mkdirSync(path.join(apt, folder), { recursive: true });
    }
    // Lists and caches of its own: the machine's apt does not get to know the other suite.
    const options = [
      `Dir::Etc::sourcelist=${sources}`,
      'Dir::Etc::sourceparts=/dev/null',
      `Dir::State::lists=${path.join(apt, 'lists')}`,
      `Dir::Cache=${path.join(apt, 'cache')}`,
      'APT::Sandbox::User=root',
    ].flatMap((option) => ['-o', option]);
    await step(`Reading Debian's package list (${SUITE})`, 'apt-get', [
      ...options,
      'update',
      '-qq',
    ]);
    const debs = path.join(apt, 'debs');
    await step(
      `Downloading OpenStack Swift (apt-get download)`,
      'apt-get',
      [...options, 'download', '-qq', ...UNPACKED],
      { cwd: debs },
    );
    const draft = `${cache}.${process.pid}`;
    rmSync(draft, { recursive: true, force: true });
    mkdirSync(draft, { recursive: true });
    for (const deb of readdirSync(debs)) {
      await step(`Unpacking ${deb}`, 'dpkg', ['-x', path.join(debs, deb), draft]);
    }
    rmSync(cache, { recursive: true, force: true });
    await step('Moving it into place', 'mv', [draft, cache]);
  } finally {
    rmSync(apt, { recursive: true, force: true });
  }
  if (!findSwift()) throw new ServiceError(`Swift was unpacked but is not complete. ${ADVICE}`);
}

/** Where this machine's own release comes from: the other suite is taken from the same place. */
function mirrors() {
  const codename = /^VERSION_CODENAME=(.+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  const format = '$(CODENAME)\t$(COMPONENT)\t$(REPO_URI)';
  const { stdout } = spawnSync(
    'apt-get',
    ['indextargets', '--format', format, 'Created-By: Packages'],
    {
      encoding: 'utf8',
    },
  );
  // The sources' own keys are not among what apt tells; Debian's are always here.
  const signedBy = exists(path.dirname(KEYRING), path.basename(KEYRING))
    ? `[signed-by=${KEYRING}] `
    : '';
  const found = (stdout ?? '')
    .split('\n')
    .map((line) => line.split('\t'))
    .filter(([name, component]) => name === codename && component === 'main')
    .map(([, , uri]) => `${signedBy}${uri}`);
  if (found.length === 0) {
    throw new ServiceError(`apt knows no source for ${codename ?? 'this release'}. ${ADVICE}`);
  }
  return [...new Set(found)];
}

async function startSwift() {
  const swift = findSwift();
  if (!swift) throw new ServiceError(`There is no S3 server for the tests. ${ADVICE}`);
  const dir = mkdtempSync(path.join(tmpdir(), 'bulkhead-swift-'));
  const children = [];
  const stop = async () => {
    await Promise.all(children.map(endChild));
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const ports = {};
    for (const name of ['proxy', 'memcached', ...SWIFT_SERVERS]) ports[name] = await freePort();
    const { username } = userInfo();
    const env = {
      ...process.env,
      PYTHONPATH: swift.pythonPath,
      PATH: `${swift.bin}${path.delimiter}${process.env.PATH}`,
    };
    const run = (name, command, args) => {
      const child = spawn(command, args, { cwd: dir, env, stdio: ['ignore', 'ignore', 'pipe'] });
      const record = { name, child, output: '' };
      child.stderr.on('data', (chunk) => {
        record.output = `${record.output}${chunk}`.slice(-2000);
      });
      child.on('error', (error) => {
        record.output += error.message;
      });
      children.push(record);
    };
    mkdirSync(path.join(dir, 'devices', 'd1'), { recursive: true });
    writeFileSync(path.join(dir, 'swift.conf'), swiftConf());
    await makeRings(dir, ports, env);
    for (const name of [...SWIFT_SERVERS, 'proxy']) {
      const conf = serverConf(name, { dir, ports, username, user: USER, password: PASSWORD });
      writeFileSync(path.join(dir, `${name}.conf`), conf);
    }
    // One of its own: what another run left in a shared one makes Swift fail.
    run('memcached', swift.memcached, [
      ...['-u', username, '-l', '127.0.0.1', '-p', String(ports.memcached), '-m', '64'],
    ]);
    for (const name of [...SWIFT_SERVERS, 'proxy']) {
      const module = `swift.${name === 'object' ? 'obj' : name}.server`;
      const launch = [LAUNCHER, dir, module, path.join(dir, `${name}.conf`)];
      run(`swift-${name}-server`, PYTHON, ['-c', ...launch]);
    }
    const endpoint = `http://127.0.0.1:${ports.proxy}`;
    await untilHealthy(endpoint, children);
    return {
      endpoint,
      region: 'us-east-1',
      accessKeyId: USER,
      secretAccessKey: PASSWORD,
      isSwift: true,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function makeRings(dir, ports, env) {
  const rings = SWIFT_SERVERS.flatMap((name) => [name, String(ports[name])]);
  try {
    await promisify(execFile)(PYTHON, ['-c', RINGS, dir, ...rings], { env });
  } catch (error) {
    throw new ServiceError(`Swift's rings could not be made: ${error.stderr || error.message}`);
  }
}

async function untilHealthy(endpoint, children) {
  const deadlineMs = Date.now() + START_MS;
  while (Date.now() < deadlineMs) {
    const ended = children.find(({ child }) => child.exitCode !== null || child.pid === undefined);
    if (ended) throw new ServiceError(`${ended.name} ended while starting: ${ended.output}`);
    const answer = await fetch(`${endpoint}/healthcheck`).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const output = children.map((record) => record.output).join('\n');
  throw new ServiceError(`Swift did not start within ${START_MS / 1000} s: ${output}`);
}

async function endChild({ child }) {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGTERM');
  const impatient = setTimeout(() => child.kill('SIGKILL'), 3000);
  await ended;
  clearTimeout(impatient);
}

function exists(folder, name) {
  try {
    return readdirSync(folder).includes(name);
  } catch {
    return false;
  }
}
