import { describe, expect, it } from 'vitest';
import { CommandLineError, parseCommandLine, USAGE } from '../src/cli/command-line.ts';
import { readSettings, SettingsError } from '../src/cli/settings.ts';

const SECRET = 'x'.repeat(32);

function problemsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    readSettings(env);
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

describe('the environment', () => {
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

  it('refuses to start in production without a database, a place for files and a secret', () => {
    const problems = problemsOf({ NODE_ENV: 'production' });
    expect(problems.map((line) => line.split(':')[0])).toEqual([
      'DATABASE_URL',
      'BULKHEAD_DIR',
      'BULKHEAD_SECRET',
    ]);
    expect(
      problemsOf({ NODE_ENV: 'production', BULKHEAD_DIR: '/data', BULKHEAD_SECRET: SECRET }),
    ).toEqual([]);
    expect(
      problemsOf({ NODE_ENV: 'production', DATABASE_URL: 'postgres://db/x', S3_BUCKET: 'b' }),
    ).toEqual([]);
  });
});
