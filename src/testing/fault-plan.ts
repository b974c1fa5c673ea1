import { toOptionError } from '../errors/option-error.ts';
import type { FileProblem } from '../protocol/index.ts';
import {
  type FaultAction,
  type FaultPoint,
  type FaultRoute,
  type FaultRule,
  faultPlanSchema,
  type ResolvedFaultRule,
} from './fault-rules.ts';

/** What a request is about: rules match by it. */
export interface FaultSubject {
  readonly key?: string | undefined;
  readonly filename?: string | undefined;
}

/** A rule that fits a request. It acts when `take` says so: its `times` may be used up by then. */
export interface PlannedFault {
  readonly at: FaultPoint;
  readonly action: FaultAction;
  take(): boolean;
}

interface RuleState {
  readonly rule: ResolvedFaultRule;
  readonly seen: Map<string, number>;
  taken: number;
}

/** The rules and how often each was met. Pure but for its counts. */
export class FaultPlan {
  #rules: RuleState[] = [];

  /**
   * Replaces the rules; counts begin anew.
   *
   * @throws OptionError when a rule is not one
   */
  set(rules: readonly FaultRule[]): void {
    const parsed = faultPlanSchema.safeParse(rules);
    if (!parsed.success) throw toOptionError('plan', parsed.error);
    this.#rules = parsed.data.map((rule) => ({ rule, seen: new Map(), taken: 0 }));
  }

  /** Counts a request and says which rules fit it, in the order of the plan. */
  match(route: FaultRoute, subjects: readonly FaultSubject[]): PlannedFault[] {
    return this.#rules.flatMap((state) => {
      const { rule } = state;
      if (isFileProblem(rule.do)) return [];
      const matching = subjects.filter((subject) => isMatch(rule, route, subject));
      if (matching.length === 0) return [];
      const isDue = countsOf(rule, matching).filter((name) => isNth(rule, count(state, name)));
      if (isDue.length === 0) return [];
      return [{ at: rule.at, action: rule.do, take: () => take(state) }];
    });
  }

  /** The problem planned for one file of a batch; it counts as used. */
  takeFileProblem(route: FaultRoute, subject: FaultSubject): FileProblem | undefined {
    for (const state of this.#rules) {
      const { rule } = state;
      if (!isFileProblem(rule.do) || !isMatch(rule, route, subject)) continue;
      const isDue = countsOf(rule, [subject]).some((name) => isNth(rule, count(state, name)));
      if (!isDue || !take(state)) continue;
      const { fileProblem: code, detail = `As planned: ${code}` } = rule.do;
      return { code, detail };
    }
    return undefined;
  }
}

function isFileProblem(
  action: FaultAction,
): action is Extract<FaultAction, { fileProblem: string }> {
  return typeof action === 'object' && 'fileProblem' in action;
}

function isMatch({ match }: ResolvedFaultRule, route: FaultRoute, subject: FaultSubject): boolean {
  const routes = match?.route === undefined ? undefined : [match.route].flat();
  if (routes ? !routes.includes(route) : route === 'preflight') return false;
  return fitsPattern(match?.key, subject.key) && fitsPattern(match?.filename, subject.filename);
}

/** Whether a text fits a pattern, in which `*` stands for anything. No pattern fits everything. */
export function fitsPattern(pattern: string | undefined, text: string | undefined): boolean {
  if (pattern === undefined) return true;
  if (text === undefined) return false;
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(text);
}

/** The names under which a request counts: one, or one for each of its files. */
function countsOf({ match }: ResolvedFaultRule, subjects: readonly FaultSubject[]): string[] {
  if (match?.countBy !== 'file') return [''];
  return [...new Set(subjects.map(({ key, filename }) => filename ?? key ?? ''))];
}

function count({ seen }: RuleState, name: string): number {
  const next = (seen.get(name) ?? 0) + 1;
  seen.set(name, next);
  return next;
}

function isNth({ match }: ResolvedFaultRule, n: number): boolean {
  const nth = match?.nth;
  if (nth === undefined) return true;
  if (typeof nth === 'number') return n === nth;
  if ('every' in nth) return n % nth.every === 0;
  return n >= (nth.from ?? 1) && n <= (nth.to ?? Number.POSITIVE_INFINITY);
}

function take(state: RuleState): boolean {
  if (state.taken >= (state.rule.times ?? Number.POSITIVE_INFINITY)) return false;
  state.taken += 1;
  return true;
}
