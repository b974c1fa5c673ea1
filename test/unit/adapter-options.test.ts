import { expect, it } from 'vitest';
import { OptionError } from '../../src/errors/option-error.ts';
import { s3PresignedAdapter } from '../../src/transports/s3.ts';
import { tusAdapter } from '../../src/transports/tus-adapter.ts';

it.each([
  [
    'tusAdapter.endpoint',
    'expected a URL, found "http://"',
    () => tusAdapter({ endpoint: 'http://' }),
  ],
  [
    's3PresignedAdapter.partLimits',
    'minPartBytes exceeds maxPartBytes',
    () =>
      s3PresignedAdapter({
        sign: async () => [],
        partLimits: { minPartBytes: 10, maxPartBytes: 5, maxParts: 1 },
      }),
  ],
])('%s that is wrong is refused by its name', (option, words, create) => {
  expect(create).toThrow(OptionError);
  expect(create).toThrow(`${option}: ${words}`);
});
