const peers = new WeakMap<Request, string>();

/** Keeps who is at the other end of a request's connection: web-standard requests cannot say. */
export function keepPeerAddress(request: Request, address: string | undefined): void {
  if (address !== undefined) peers.set(request, address);
}

/** As {@link keepPeerAddress} was told for this very object. */
export function peerAddressOf(request: Request): string | undefined {
  return peers.get(request);
}
