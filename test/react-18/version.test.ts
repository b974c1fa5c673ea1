import { version } from 'react';
import { version as ofDom } from 'react-dom';
import { expect, it } from 'vitest';

it('the hooks’ tests of this project run on React 18', () => {
  expect([version, ofDom].map((each) => each.split('.')[0])).toEqual(['18', '18']);
});
