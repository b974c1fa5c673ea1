import type { OpenKit } from './open-kit.ts';

/** The configuration file's goes before the environment's. Undefined: there are no operators. */
export function operatorTokenOf({ config, settings }: OpenKit): string | undefined {
  return config.operatorToken ?? settings.BULKHEAD_OPERATOR_TOKEN;
}
