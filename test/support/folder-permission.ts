import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

/**
 * What a person says to a page that kept a folder by its handle, in Chromium:
 * - `allow`: yes, when the page asks
 * - `allow-always`: yes, on an earlier visit and for all that follow; the page need not ask
 * - `deny`: no, when the page asks
 * - `block`: no, in the settings; the page cannot ask
 */
export type FolderAnswer = 'allow' | 'allow-always' | 'deny' | 'block';

const ALLOW = 1;
const BLOCK = 2;

type ContentSettings = Record<string, Record<string, { setting: unknown }>>;

/** Flags of a Chromium in which that is the answer. */
export function flagsOf(answer: FolderAnswer | undefined): readonly string[] {
  return answer === 'deny' ? ['--deny-permission-prompts'] : [];
}

/**
 * Writes the answer into the profile of a Chromium that does not run. Headless, its question cannot be
 * answered otherwise: DevTools has no name for this permission. A folder that was allowed for good is
 * granted without a question, and what lies below it when the page asks.
 */
export async function writeFolderAnswer(
  profile: string,
  { origin, folder, answer }: { origin: string; folder: string; answer: FolderAnswer },
): Promise<void> {
  const file = path.join(profile, 'Default', 'Preferences');
  const preferences = await readPreferences(file);
  preferences.profile ??= {};
  preferences.profile.content_settings ??= {};
  preferences.profile.content_settings.exceptions ??= {};
  const settings = preferences.profile.content_settings.exceptions;
  const set = (name: string, setting: unknown) => {
    settings[name] = { ...settings[name], [`${origin},*`]: { setting } };
  };
  if (answer === 'block') set('file_system_read_guard', BLOCK);
  if (answer === 'allow' || answer === 'allow-always') {
    const allowed = answer === 'allow' ? path.dirname(folder) : folder;
    const grant = {
      path: allowed,
      'display-name': path.basename(allowed),
      'is-directory': true,
      readable: true,
    };
    set('file_system_access_extended_permission', ALLOW);
    set('file_system_access_chooser_data', { 'chosen-objects': [grant] });
  }
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, JSON.stringify(preferences));
}

interface Preferences {
  profile?: { content_settings?: { exceptions?: ContentSettings } };
}

/** Chromium writes them some time after its first start: one that was killed may have none. */
async function readPreferences(file: string): Promise<Preferences> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}
