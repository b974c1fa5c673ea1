import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { COMPARE_SETS } from './compare-sets.ts';
import { type CompareReport, formatReport } from './report.ts';

const RESULTS = path.join(import.meta.dirname, '../results');
const MODULES = path.join(import.meta.dirname, '../../node_modules');

const LIBRARIES = [
  '@uppy/core',
  '@uppy/aws-s3',
  '@uppy/golden-retriever',
  '@uppy/xhr-upload',
  'tus-js-client',
];

/** Versions of the libraries beside ours, as installed. */
export async function installedVersions(): Promise<Record<string, string>> {
  const versions: Record<string, string> = {};
  for (const name of LIBRARIES) {
    const text = await readFile(path.join(MODULES, name, 'package.json'), 'utf8');
    versions[name] = (JSON.parse(text) as { version: string }).version;
  }
  return versions;
}

/**
 * Writes the report of a day and a protocol as Markdown and JSON. Sets that an earlier run of the day
 * measured, and this one did not, stay as they are.
 *
 * @returns the paths without their endings
 */
export async function writeResults(report: CompareReport, date: Date): Promise<string> {
  const base = path.join(RESULTS, `${date.toISOString().slice(0, 10)}-${report.protocol}`);
  await mkdir(RESULTS, { recursive: true });
  const earlier = await readReport(`${base}.json`);
  const sets = COMPARE_SETS.flatMap(({ name }) => {
    const isNamed = ({ set }: CompareReport['sets'][number]) => set.name === name;
    return report.sets.find(isNamed) ?? earlier?.sets.find(isNamed) ?? [];
  });
  const merged = { ...report, sets };
  await writeFile(`${base}.json`, `${JSON.stringify(merged, null, 2)}\n`);
  await writeFile(`${base}.md`, formatReport(merged));
  return path.relative(process.cwd(), base);
}

async function readReport(file: string): Promise<CompareReport | undefined> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return text === undefined ? undefined : (JSON.parse(text) as CompareReport);
}
