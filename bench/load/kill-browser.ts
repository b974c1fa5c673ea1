import { readdirSync, readFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** SIGKILL to every process of the browser that runs on this profile; resolves when they are gone. */
export async function killBrowser(profile: string): Promise<void> {
  const pids = processesOf(profile);
  if (pids.length === 0) throw new Error('There is no browser process to kill');
  for (const pid of pids) kill(pid);
  while (processesOf(profile).length > 0) await sleep(20);
  // What a killed Chromium leaves behind would keep the next one from starting.
  const left = (await readdir(profile)).filter((name) => name.startsWith('Singleton'));
  await Promise.all(left.map((name) => rm(path.join(profile, name), { force: true })));
}

/** Those whose command line names the profile, which is one run's alone. */
function processesOf(profile: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && commandLineOf(pid).includes(profile));
}

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    // It ended meanwhile.
    return '';
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It ended by itself, with the process that started it.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
