import { afterEach, describe, expect, it, vi } from 'vitest';
import { CommandLineError, parseCommandLine, USAGE } from '../src/cli/command-line.ts';
import { namingPorts } from '../src/cli/naming-ports.ts';
import { openStore } from '../src/cli/open-store.ts';
import { readSettings, refuseUnfitForProduction, SettingsError } from '../src/cli/settings.ts';
import { type Config, configSchema } from '../src/config.ts';
import { silentLogger } from '../src/logging.ts';
import { memoryBlobStore } from './fixtures/memory-blob-store.ts';

const SECRET = 'x'.repeat(32);

function problemsOf(env: NodeJS.ProcessEnv, config: Config = {}): readonly string[] {
  try {
    refuseUnfitForProduction(readSettings(env), config);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

describe('the command line', () => {
  it('takes each command that its help names', () => {
    expect(parseCommandLine(['serve'])).toEqual({
      name: 'serve',
      config: undefined,
      withWorkers: false,
    });
    expect(parseCommandLine(['serve', '--work', '--config', 'a.ts'])).toEqual({
      name: 'serve',
      config: 'a.ts',
      withWorkers: true,
    });
    for (const name of ['work', 'migrate', 'check']) {
      expect(parseCommandLine([name])).toEqual({ name, config: undefined });
      expect(USAGE).toContain(`  ${name} `);
    }
    expect(parseCommandLine(['--help'])).toEqual({ name: 'help' });
    expect(parseCommandLine(['--version'])).toEqual({ name: 'version' });
  });

  it.each([
    [[], /one of serve, work, migrate, check/],
    [['server'], /no command "server"/],
    [['work', '--work'], /goes with serve/],
    [['work', 'hard'], /takes no "hard"/],
    [['serve', '--port', '3'], /--port/],
  ])('says what is wrong with %j', (args, message) => {
    expect(() => parseCommandLine(args)).toThrow(CommandLineError);
    expect(() => parseCommandLine(args)).toThrow(message);
  });
});

describe('a configuration file', () => {
  it('that names nothing decides nothing: the environment is asked', () => {
    expect(configSchema.parse({})).toEqual({ search: {}, webhooks: {} });
  });
});

describe('the environment', () => {
  afterEach(() => void vi.unstubAllEnvs());

  it('has small files go to S3 by forms, where it says up to which size', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'a key');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'a secret');
    const s3 = { S3_BUCKET: 'photos', S3_REGION: 'eu-central-1', S3_FORMS_UP_TO_BYTES: '1000' };
    const { blobStore } = await openStore(readSettings(s3), silentLogger);
    const promise = { key: 'u/a/1', checksum: '0'.repeat(64), contentType: 'image/jpeg' };
    const sign = (sizeBytes: number) =>
      blobStore.signPut({ ...promise, sizeBytes, expiresInSeconds: 300 });
    expect(await sign(1000)).toMatchObject({
      method: 'POST',
      url: 'https://photos.s3.eu-central-1.amazonaws.com/',
      fields: { key: 'u/a/1' },
    });
    expect((await sign(1001)).method).toBe('PUT');
    expect(problemsOf({ ...s3, S3_FORMS_UP_TO_BYTES: '2000000' }).join()).toContain(
      'S3_FORMS_UP_TO_BYTES',
    );
  });

  it('takes files in parts on S3 unless told not to, within what S3 takes', () => {
    expect(readSettings({}).S3_MULTIPART).toBe(true);
    expect(
      readSettings({ S3_MULTIPART: 'false', S3_MULTIPART_FROM_BYTES: '67108864' }),
    ).toMatchObject({ S3_MULTIPART: false, S3_MULTIPART_FROM_BYTES: 67_108_864 });
    expect(problemsOf({ S3_MULTIPART_MIN_PART_BYTES: '1000' })).toEqual([
      expect.stringContaining('S3_MULTIPART_MIN_PART_BYTES'),
    ]);
  });

  it('takes forms unless told not to', () => {
    expect(readSettings({}).BULKHEAD_LEGACY_UPLOAD).toBe(true);
    expect(readSettings({ BULKHEAD_LEGACY_UPLOAD: 'false' }).BULKHEAD_LEGACY_UPLOAD).toBe(false);
    expect(problemsOf({ BULKHEAD_LEGACY_UPLOAD: 'no' })).toEqual([
      'BULKHEAD_LEGACY_UPLOAD: expected true or false',
    ]);
  });

  it('needs nothing on a laptop', () => {
    expect(readSettings({})).toMatchObject({
      store: 'filesystem',
      dir: '.bulkhead',
      HOST: '127.0.0.1',
      PORT: 3000,
      BULKHEAD_EMBEDDER: 'local',
      isProduction: false,
    });
  });

  it('names every variable that does not fit, and what to set, but never its value', () => {
    const problems = problemsOf({
      PORT: '70000',
      DATABASE_URL: 'mysql://sesame',
      BULKHEAD_SECRET: 'short',
      BULKHEAD_ALLOWED_ORIGINS: 'https://app.example,app.example/path',
      S3_FORCE_PATH_STYLE: 'maybe',
    });
    expect(problems).toHaveLength(5);
    expect(problems).toEqual(
      expect.arrayContaining([
        'PORT: expected a whole number from 0 to 65535',
        'DATABASE_URL: expected a URL that begins with postgres:// or postgresql://',
        'BULKHEAD_SECRET: expected a secret of at least 32 bytes: openssl rand -hex 32',
        'S3_FORCE_PATH_STYLE: expected true or false',
      ]),
    );
    expect(problems.join()).not.toMatch(/sesame|short/);
  });

  it('takes an empty variable for one that is not set', () => {
    expect(problemsOf({ DATABASE_URL: '', PORT: '' })).toEqual([]);
  });

  it('finds the store by what is set, and says what is missing for it', () => {
    expect(readSettings({ S3_BUCKET: 'photos' }).store).toBe('s3');
    expect(readSettings({ BLOB_READ_WRITE_TOKEN: 't' }).store).toBe('vercel-blob');
    expect(problemsOf({ BULKHEAD_STORE: 's3' })).toEqual([
      'S3_BUCKET: is missing; BULKHEAD_STORE is s3',
    ]);
    expect(problemsOf({ BULKHEAD_EMBEDDER: 'replicate' })).toHaveLength(3);
    expect(problemsOf({ BULKHEAD_EMBEDDER: 'openai' })).toHaveLength(4);
  });

  it('takes for a bearer secret what the server takes, and nothing else', () => {
    const wide = 'geheim-mit-umlauten-äöü-und-dreißig-und-mehr';
    for (const name of ['BULKHEAD_OPERATOR_TOKEN', 'CRON_SECRET']) {
      expect(problemsOf({ [name]: SECRET })).toEqual([]);
      for (const bad of ['x'.repeat(31), `${SECRET} x`, wide]) {
        expect(problemsOf({ [name]: bad })).toEqual([
          `${name}: expected at least 32 printable ASCII characters without spaces: openssl rand -hex 32`,
        ]);
      }
    }
    expect(problemsOf({ BULKHEAD_SECRET: wide })).toEqual([]);
  });

  it('refuses to start in production without a database, a place for files, a secret and an address', () => {
    const problems = problemsOf({ NODE_ENV: 'production' });
    expect(problems.map((line) => line.split(':')[0])).toEqual([
      'DATABASE_URL',
      'BULKHEAD_DIR',
      'BULKHEAD_SECRET',
      'BULKHEAD_STORE_URL',
    ]);
    const local = { NODE_ENV: 'production', BULKHEAD_DIR: '/data', BULKHEAD_SECRET: SECRET };
    expect(problemsOf(local)).toEqual([expect.stringMatching(/^BULKHEAD_STORE_URL: .*https:\/\//)]);
    expect(problemsOf({ ...local, BULKHEAD_STORE_URL: 'https://files.example' })).toEqual([]);
    expect(
      problemsOf({ NODE_ENV: 'production', DATABASE_URL: 'postgres://db/x', S3_BUCKET: 'b' }),
    ).toEqual([]);
  });

  it('asks nothing of the filesystem store in production where the file gives a store of its own', () => {
    const env = { NODE_ENV: 'production', DATABASE_URL: 'postgres://db/x' };
    expect(problemsOf(env)).toHaveLength(3);
    expect(problemsOf(env, { blobStore: memoryBlobStore() })).toEqual([]);
    expect(problemsOf({ NODE_ENV: 'production' }, { blobStore: memoryBlobStore() })).toHaveLength(
      1,
    );
  });
});

describe('a port that cannot be had', () => {
  const failing = (code: string, port: number, env: NodeJS.ProcessEnv = {}) =>
    namingPorts(readSettings(env), async () => {
      throw Object.assign(new Error(code), { code, port });
    });

  it.each([
    ['EADDRINUSE', 3000, {}, /PORT: 3000 on 127.0.0.1 is taken.*set PORT to a free port/],
    ['EADDRINUSE', 3001, {}, /STORE_PORT: 3001 .*set STORE_PORT/],
    ['EADDRINUSE', 80, { PORT: '80', STORE_PORT: '80' }, /PORT: 80 .*STORE_PORT is the same/],
    ['EACCES', 80, { PORT: '80' }, /PORT: this user may not listen on 80/],
    ['EADDRNOTAVAIL', 3000, { HOST: '192.0.2.1' }, /HOST: 192.0.2.1 is no address/],
  ])('is named with its variable: %s %i', async (code, port, env, message) => {
    const error = await failing(code, port, env).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SettingsError);
    expect((error as SettingsError).message).toMatch(message);
  });

  it('lets everything else through as it is', async () => {
    await expect(failing('EMFILE', 3000)).rejects.toThrow(/^EMFILE$/);
  });
});
