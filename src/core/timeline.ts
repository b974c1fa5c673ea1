/** When an upload passed its milestones: wall clock, milliseconds. */
export interface Times {
  readonly addedMs: number;
  readonly hashedMs?: number;
  /** The bytes were stored. */
  readonly sentMs?: number;
  readonly finalizedMs?: number;
  readonly searchableMs?: number;
  /** Given up, refused or cancelled. */
  readonly failedMs?: number;
}

export type Milestone = Exclude<keyof Times, 'addedMs'>;

/** The milestones of all uploads, beside the rows: the state machine knows no time. */
export class Timeline {
  readonly #times = new Map<string, Times>();

  restore(id: string, times: Times): void {
    this.#times.set(id, times);
  }

  passed(id: string, milestone: Milestone, atMs: number): void {
    const times = this.#times.get(id);
    if (times) this.#times.set(id, { ...times, [milestone]: atMs });
  }

  /** It goes on after all. */
  revived(id: string): void {
    const times = this.#times.get(id);
    if (!times) return;
    const { failedMs: _, ...rest } = times;
    this.#times.set(id, rest);
  }

  of(id: string): Times | undefined {
    return this.#times.get(id);
  }

  forget(id: string): void {
    this.#times.delete(id);
  }
}
