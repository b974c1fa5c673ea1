import type { CDPSession } from 'playwright';

/** CPU time of one run, in seconds over all cores. */
export interface CpuSeconds {
  /** The page's own process. */
  readonly page: number;
  /** The browser's other processes: its own one, which reads files, and that of the network. */
  readonly browser: number;
  readonly server: number;
}

/** Starts counting. @returns what each part of the browser took since then */
export async function watchCpu(
  session: CDPSession,
): Promise<() => Promise<Omit<CpuSeconds, 'server'>>> {
  const before = await timesOf(session);
  return async () => {
    const after = await timesOf(session);
    let page = 0;
    let browser = 0;
    for (const [id, { type, seconds }] of after) {
      const spent = seconds - (before.get(id)?.seconds ?? 0);
      if (type === 'renderer') page += spent;
      else browser += spent;
    }
    return { page, browser };
  };
}

async function timesOf(session: CDPSession) {
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  return new Map(processInfo.map(({ id, type, cpuTime }) => [id, { type, seconds: cpuTime }]));
}
