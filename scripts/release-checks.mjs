/**
 * What keeps a version from being published: decided from what `release.mjs` read, so that tests need no repository.
 *
 * @param {import('./release-checks.d.mts').ReleaseState} state
 * @returns {string[]} one sentence for each thing that has to be done first
 */
export function obstaclesTo({ changedFiles, sdk, server, changelog, tags }) {
  const { version } = sdk;
  const obstacles = [];
  if (changedFiles.length > 0) {
    obstacles.push(`Commit or remove what is changed: ${changedFiles.join(', ')}`);
  }
  if (!/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(version)) {
    obstacles.push(`package.json: ${version} is no version`);
  }
  if (server.version !== version) {
    obstacles.push(`server/package.json: version ${server.version} has to be ${version} as well`);
  }
  if (server.dependencies?.[sdk.name] !== version) {
    obstacles.push(`server/package.json: it has to depend on ${sdk.name} ${version}`);
  }
  for (const { name, repository } of [sdk, server]) {
    // The registry compares it with the repository that the provenance speaks of.
    if (!repository?.url) obstacles.push(`${name}: package.json has to name its repository`);
  }
  if (tags.includes(`v${version}`))
    obstacles.push(`v${version} was released: choose the next version`);
  obstacles.push(...obstaclesOfChangelog(changelog, version));
  return obstacles;
}

function obstaclesOfChangelog(changelog, version) {
  const sections = changelog.split(/^## /m).slice(1);
  const sectionOf = (title) =>
    sections.find(
      (section) =>
        section
          .split('\n')[0]
          ?.replace(/^\[|\].*/g, '')
          .split(' ')[0] === title,
    );
  const obstacles = [];
  if (/^- /m.test(sectionOf('Unreleased') ?? '')) {
    obstacles.push(`CHANGELOG.md: move what is unreleased under "## ${version}"`);
  }
  if (!/^- /m.test(sectionOf(version) ?? '')) {
    obstacles.push(`CHANGELOG.md: say under "## ${version}" what is new`);
  }
  return obstacles;
}
