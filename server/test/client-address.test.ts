import { expect, test } from 'vitest';
import { listen } from '../src/node-server.ts';
import { clientAddress } from '../src/rate-limit/client-address.ts';
import { createMemoryTokenBucket } from '../src/rate-limit/memory-token-bucket.ts';

const requestOf = (forwardedFor?: string) =>
  new Request('http://kit.test/', {
    headers: forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor },
  });
const behind = (trustedProxies: number, forwardedFor?: string) =>
  clientAddress(requestOf(forwardedFor), { trustedProxies });

test.each([
  [1, '203.0.113.7', '203.0.113.7'],
  [1, '6.6.6.6, 203.0.113.7', '203.0.113.7'],
  [1, '6.6.6.6,7.7.7.7,  203.0.113.7 ', '203.0.113.7'],
  [2, '6.6.6.6, 203.0.113.7, 10.0.0.1', '203.0.113.7'],
  [2, '203.0.113.7, 10.0.0.1', '203.0.113.7'],
  [1, 'unknown, 203.0.113.7:5123', '203.0.113.7'],
])('behind %i proxies, %j comes from %s', (trustedProxies, header, expected) => {
  expect(behind(trustedProxies, header)).toBe(expected);
});

test.each([
  ['2001:db8:0:1:aaaa::1', '2001:db8:0:1::/64'],
  ['2001:DB8::1:ffff:ffff:ffff:ffff', '2001:db8:0:1::/64'],
  ['[2001:db8:0:1::9]:443', '2001:db8:0:1::/64'],
  ['[2001:db8::1]', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::ffff:203.0.113.7', '203.0.113.7'],
  ['::ffff:cb00:7107', '203.0.113.7'],
])('%s is limited as %s', (address, expected) => {
  expect(behind(1, address)).toBe(expected);
});

test.each([
  ['no header', 1, undefined],
  ['fewer entries than proxies', 2, '203.0.113.7'],
  ['no address', 1, '203.0.113.7, unknown'],
  ['an obfuscated name', 1, '_hidden'],
  ['an empty entry', 1, '203.0.113.7,'],
  ['half an address', 1, '203.0.113'],
  ['a bracket too few', 1, '[2001:db8::1'],
  ['nine groups', 1, '1:2:3:4:5:6:7:8:9'],
])('of %s nothing is made up', (_, trustedProxies, header) => {
  expect(behind(trustedProxies, header)).toBeNull();
});

test('without proxies the header is not looked at, only the connection', () => {
  const request = requestOf('6.6.6.6');
  expect(clientAddress(request, { trustedProxies: 0 })).toBeNull();
  const remoteAddress = '::ffff:203.0.113.7';
  expect(clientAddress(request, { trustedProxies: 0, remoteAddress })).toBe('203.0.113.7');
});

test('a server of listen() knows who is connected', async () => {
  const handler = async (request: Request) =>
    new Response(clientAddress(request, { trustedProxies: 0 }));
  const listening = await listen({ api: handler, store: handler });
  try {
    const response = await fetch(listening.apiUrl, { headers: { 'x-forwarded-for': '6.6.6.6' } });
    expect(await response.text()).toBe('127.0.0.1');
  } finally {
    await listening.close(0);
  }
});

test.each([-1, 0.5, Number.NaN])('%d trusted proxies are refused by name', (trustedProxies) => {
  expect(() => behind(trustedProxies, '1.1.1.1')).toThrow('trustedProxies');
});

test('a thousand made-up addresses do not get past the limit of one', async () => {
  const bucket = createMemoryTokenBucket({ clock: () => 0 });
  let passed = 0;
  for (let i = 0; i < 1000; i++) {
    const spoofed = `10.${i % 250}.${i >> 2}.1, 2001:db8:${i}::1, 203.0.113.7`;
    const key = behind(1, spoofed);
    if ((await bucket.consume(key ?? 'unknown')).allowed) passed += 1;
  }
  // Nor do all the addresses of one IPv6 network.
  for (let i = 0; i < 1000; i++) {
    const key = behind(1, `2001:db8:7:7:${i.toString(16)}::${i}`);
    if ((await bucket.consume(key ?? 'unknown')).allowed) passed += 1;
  }
  expect(passed).toBe(200);
});
