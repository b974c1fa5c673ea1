import { isIP } from 'node:net';
import { peerAddressOf } from './peer-address.ts';

export interface ClientAddressOptions {
  /**
   * How many proxies of yours a request passes, each of which appends to X-Forwarded-For the address that it
   * was connected from. 0: none, and the header is not looked at.
   */
  trustedProxies: number;
  /**
   * The other end of the connection itself, used without proxies. Default: as `listen` saw it; on a server of
   * your own, give `incoming.socket.remoteAddress`.
   */
  remoteAddress?: string | undefined;
}

/**
 * The address to limit a client by, where user ids are free for the asking. Only what your own proxies wrote is
 * believed: the entries of X-Forwarded-For that a client makes up stand further left.
 *
 * IPv6 addresses come back as their /64 network (`2001:db8:0:1::/64`), because one customer has all of it;
 * IPv4 ones as they are, also when they were written as IPv6. Ports and zones are left out.
 *
 * @returns null when it cannot be told: fewer entries than proxies, so the request came past one of them, or
 *   something that is no address. Such requests should share one limit.
 * @throws {RangeError} when `trustedProxies` is not a whole number from 0 on
 */
export function clientAddress(request: Request, options: ClientAddressOptions): string | null {
  const { trustedProxies, remoteAddress = peerAddressOf(request) } = options;
  if (!Number.isInteger(trustedProxies) || trustedProxies < 0) {
    throw new RangeError(
      `trustedProxies must be a whole number from 0 on, not ${String(trustedProxies)}`,
    );
  }
  if (trustedProxies === 0) return normalize(remoteAddress ?? '');
  const entries = request.headers.get('x-forwarded-for')?.split(',') ?? [];
  return normalize(entries.at(-trustedProxies) ?? '');
}

function normalize(entry: string): string | null {
  const text = entry.trim();
  // `[2001:db8::1]:443` and `192.0.2.1:443`; a bare IPv6 address has more than one colon.
  const bare = /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1] ?? text.replace(/^([\d.]+):\d+$/, '$1');
  const address = bare.replace(/%.*$/, '');
  const version = isIP(address);
  if (version === 4) return address;
  return version === 6 ? normalizeV6(address) : null;
}

function normalizeV6(address: string): string {
  // The URL parser writes every form of one address in the same way, with hex digits only.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const groups = [...before, ...Array<string>(zeros).fill('0'), ...after];
  const isMappedV4 = groups.slice(0, 5).every((group) => group === '0') && groups[5] === 'ffff';
  if (!isMappedV4) return `${groups.slice(0, 4).join(':')}::/64`;
  return groups
    .slice(6)
    .map((group) => Number.parseInt(group, 16))
    .map((value) => `${value >> 8}.${value & 255}`)
    .join('.');
}
