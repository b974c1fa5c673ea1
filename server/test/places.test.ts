import { expect, test } from 'vitest';
import { createPlaces } from '../src/routes/places.ts';

const places = () => createPlaces({ what: 'bodies', total: 3, perUser: 2 });
const never = () => new Promise<void>(() => {});

test('one user gets so many places, and others the rest', async () => {
  const { hold } = places();
  void hold('eve', never);
  void hold('eve', never);
  await expect(hold('eve', never)).rejects.toMatchObject({
    code: 'rate_limited',
    retryAfterSeconds: 2,
  });
  void hold('ada', never);
  await expect(hold('bob', never)).rejects.toMatchObject({
    code: 'rate_limited',
    retryAfterSeconds: 2,
  });
});

test('a place is free again when its work ends, however it ends', async () => {
  const { hold } = places();
  for (let again = 0; again < 5; again++) {
    expect(await hold('eve', async () => again)).toBe(again);
    await expect(hold('eve', () => Promise.reject(new Error('It failed')))).rejects.toThrow(
      'It failed',
    );
  }
  const held = [hold('eve', never), hold('eve', never), hold('ada', never)];
  expect(held).toHaveLength(3);
});
