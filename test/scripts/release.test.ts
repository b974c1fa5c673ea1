import { describe, expect, it } from 'vitest';
import { obstaclesTo, type ReleaseState } from '../../scripts/release-checks.mjs';

const repository = { url: 'git+https://example.com/bulkhead.git' };
const ready: ReleaseState = {
  changedFiles: [],
  sdk: { name: 'bulkhead', version: '1.2.0', repository },
  server: {
    name: '@bulkhead/server',
    version: '1.2.0',
    repository,
    dependencies: { bulkhead: '1.2.0' },
  },
  changelog: '# Changelog\n\n## Unreleased\n\n## 1.2.0 – 2027-01-01\n\n### Added\n\n- A thing.\n',
  tags: ['v1.1.0'],
};

describe('a release', () => {
  it('may go out when nothing is left to do', () => expect(obstaclesTo(ready)).toEqual([]));

  it('may name its version in brackets, as a link', () => {
    const changelog = ready.changelog.replace('## 1.2.0', '## [1.2.0]');
    expect(obstaclesTo({ ...ready, changelog })).toEqual([]);
  });

  it.each<[string, Partial<ReleaseState>, string]>([
    ['changed files', { changedFiles: ['src/index.ts'] }, 'src/index.ts'],
    ['a version that is none', { sdk: { ...ready.sdk, version: 'next' } }, 'next is no version'],
    [
      'packages of two versions',
      { server: { ...ready.server, version: '1.1.0' } },
      '1.1.0 has to be 1.2.0',
    ],
    [
      'a server kit of another SDK',
      { server: { ...ready.server, dependencies: { bulkhead: '1.1.0' } } },
      'depend on bulkhead 1.2.0',
    ],
    ['no repository', { sdk: { name: 'bulkhead', version: '1.2.0' } }, 'name its repository'],
    ['a version that is out', { tags: ['v1.2.0'] }, 'v1.2.0 was released'],
    [
      'news that are not assigned',
      { changelog: ready.changelog.replace('## Unreleased\n', '## Unreleased\n\n- Another.\n') },
      'move what is unreleased',
    ],
    ['no news', { changelog: '# Changelog\n\n## Unreleased\n' }, 'say under "## 1.2.0"'],
    [
      'an empty section',
      { changelog: ready.changelog.replace('- A thing.', '') },
      'say under "## 1.2.0"',
    ],
  ])('does not go out with %s', (_, change, words) => {
    const obstacles = obstaclesTo({ ...ready, ...change });
    expect(obstacles.some((obstacle) => obstacle.includes(words))).toBe(true);
  });
});
