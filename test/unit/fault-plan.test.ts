import { describe, expect, it } from 'vitest';
import { OptionError } from '../../src/errors/option-error.ts';
import { FaultPlan, fitsPattern } from '../../src/testing/fault-plan.ts';
import type { FaultRule } from '../../src/testing/fault-rules.ts';

function planOf(...rules: FaultRule[]): FaultPlan {
  const plan = new FaultPlan();
  plan.set(rules);
  return plan;
}

/** Whether each of so many PUTs of one file meets the rule. */
function met(plan: FaultPlan, count: number, filename = 'a.jpg'): boolean[] {
  return Array.from({ length: count }, () => {
    const [fault] = plan.match('put', [{ key: `k/${filename}`, filename }]);
    return fault?.take() ?? false;
  });
}

describe('a fault plan', () => {
  it.each([
    [2, [false, true, false, false]],
    [{ every: 2 }, [false, true, false, true]],
    [{ from: 3 }, [false, false, true, true]],
    [{ to: 2 }, [true, true, false, false]],
    [{ from: 2, to: 3 }, [false, true, true, false]],
  ])('counts matching requests: nth %j', (nth, expected) => {
    const plan = planOf({ match: { route: 'put', nth }, do: 'reset' });
    plan.match('head', [{}]);
    expect(met(plan, 4)).toEqual(expected);
  });

  it('acts as often as it is told, at most', () => {
    expect(met(planOf({ do: 'reset', times: 2 }), 3)).toEqual([true, true, false]);
  });

  it('counts apart for each file when asked to', () => {
    const plan = planOf({ match: { nth: 1, countBy: 'file' }, do: 'reset' });
    expect(met(plan, 2, 'a.jpg')).toEqual([true, false]);
    expect(met(plan, 2, 'b.jpg')).toEqual([true, false]);
  });

  it('matches by route, key and name', () => {
    const plan = planOf(
      { match: { route: ['put', 'head'], key: 'k/*' }, do: 'hang' },
      { match: { filename: '*.png' }, do: 'reset' },
    );
    const actions = (route: 'put' | 'get', subject: object) =>
      plan.match(route, [subject]).map(({ action }) => action);
    expect(actions('put', { key: 'k/1', filename: 'a.jpg' })).toEqual(['hang']);
    expect(actions('put', { key: 'k/1', filename: 'a.png' })).toEqual(['hang', 'reset']);
    expect(actions('get', { key: 'k/1', filename: 'a.jpg' })).toEqual([]);
    expect(actions('put', {})).toEqual([]);
  });

  it('leaves preflights alone unless it names them', () => {
    expect(planOf({ do: 'reset' }).match('preflight', [{}])).toEqual([]);
    const plan = planOf({ match: { route: 'preflight' }, do: 'reset' });
    expect(plan.match('preflight', [{}])).toHaveLength(1);
  });

  it('gives the planned problem to the matching files of a batch only', () => {
    const plan = planOf({
      match: { route: 'finalize', filename: 'b*' },
      do: { fileProblem: 'internal', detail: 'broke' },
      times: 1,
    });
    expect(plan.match('finalize', [{ filename: 'b.jpg' }])).toEqual([]);
    expect(plan.takeFileProblem('finalize', { filename: 'a.jpg' })).toBeUndefined();
    const problem = plan.takeFileProblem('finalize', { filename: 'b.jpg' });
    expect(problem).toEqual({ code: 'internal', detail: 'broke' });
    expect(plan.takeFileProblem('finalize', { filename: 'b.jpg' })).toBeUndefined();
  });

  it.each<[string, unknown]>([
    ['plan.0.at', { at: 'somewhere', do: 'reset' }],
    ['plan.0.do', { do: 'explode' }],
    ['plan.0.match.rout', { match: { rout: 'put' }, do: 'reset' }],
    ['plan.0.times', { do: 'reset', times: 0 }],
  ])('refuses a rule that is not one, and names %s', (option, rule) => {
    const setting = () => planOf(rule as FaultRule);
    expect(setting).toThrow(OptionError);
    expect(setting).toThrow(option);
  });

  it('takes every other character of a pattern for itself', () => {
    expect(fitsPattern('a.b*[1]', 'a.bcd[1]')).toBe(true);
    expect(fitsPattern('a.b', 'axb')).toBe(false);
    expect(fitsPattern('*', 'a\nb')).toBe(true);
  });
});
