import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as z from 'zod/mini';
import type { Credential } from '../protocol/index.ts';
import { API_ROUTES, type ApiParts } from './api-routes.ts';
import {
  CONTROL_PREFIX,
  type FaultServerAddress,
  type FaultServerCommands,
  parseArgument,
  signedFileSchema,
} from './commands.ts';
import { answerControl } from './control-routes.ts';
import { EventHub } from './event-hub.ts';
import { Exchange, ExchangeEnded } from './exchange.ts';
import { type FaultAsset, FaultBackend, type Reservation } from './fault-backend.ts';
import {
  behaviourSchema,
  type FaultServerOptions,
  plainOptionsSchema,
  processingSchema,
  type ResolvedServerOptions,
  serverOptionsSchema,
} from './fault-options.ts';
import { FaultPlan } from './fault-plan.ts';
import { type FaultRoute, faultActionSchema, faultRoutesSchema } from './fault-rules.ts';
import { Gate } from './gate.ts';
import { checkInvariants } from './invariants.ts';
import { ObjectShelf, Receipt, type StoredObject } from './object-shelf.ts';
import { problemAnswer } from './problem-answer.ts';
import { type RecordedRequest, RequestLog } from './request-log.ts';
import type { FaultServerState } from './server-state.ts';
import { UrlSigner } from './signed-urls.ts';
import { getObject, putObject, type StoreParts } from './store-routes.ts';

/** A backend on loopback that fails as it is told. */
export interface FaultServer extends FaultServerAddress, FaultServerCommands {
  /** Requests since the last reset, oldest first. */
  readonly requests: readonly RecordedRequest[];
  /** What is stored, by key. */
  readonly objects: ReadonlyMap<string, StoredObject>;
  /** What was finalized, by id. */
  readonly assets: ReadonlyMap<string, Readonly<FaultAsset>>;
  /** Ends it with all its connections. */
  close(): Promise<void>;
}

const LOOPBACK = '127.0.0.1';

/**
 * Starts a fault server on two free ports of this machine's loopback: the Bulkhead wire on one, an
 * object store on the other, all in memory.
 *
 * @throws OptionError at once, when an option is unknown or wrong
 */
export async function createFaultServer(options: FaultServerOptions = {}): Promise<FaultServer> {
  const resolved = parseArgument('createFaultServer', serverOptionsSchema, options);
  const server = new RunningFaultServer(resolved);
  await server.listen();
  return server;
}

class RunningFaultServer implements FaultServer {
  readonly #options: ResolvedServerOptions;
  readonly #plan = new FaultPlan();
  readonly #log = new RequestLog();
  readonly #shelf = new ObjectShelf();
  readonly #signer = new UrlSigner();
  readonly #gate: Gate;
  readonly #backend: FaultBackend;
  readonly #hub: EventHub;
  readonly #api: Server;
  readonly #store: Server;
  readonly #exchanges = new Set<Exchange>();
  readonly #spawned: FaultServer[] = [];
  #behaviour: z.output<typeof behaviourSchema>;
  #advancedMs = 0;
  #nextSigned = 1;

  constructor(options: ResolvedServerOptions) {
    this.#options = options;
    this.#behaviour = options.behaviour;
    this.#plan.set(options.plan);
    const behaviour = () => this.#behaviour;
    this.#gate = new Gate({ behaviour, now: this.#now });
    this.#backend = new FaultBackend(
      {
        now: this.#shownNow,
        look: (key) => this.#shelf.look(key, this.#behaviour.invisibleLooks),
        discard: (key) => this.#shelf.delete(key),
        blobUrl: (key) => `${this.storeUrl}/${key}`,
        changed: (change) => this.#hub.changed(change),
      },
      options.processing,
    );
    this.#hub = new EventHub({
      mode: () => this.#behaviour.events,
      retryMs: options.streamRetryMs,
      changesSince: (version) => this.#backend.changesSince(version),
      progress: () => ({
        type: 'progress',
        stats: this.#backend.stats(),
        timestamp: new Date(this.#shownNow()).toISOString(),
      }),
    });
    this.#api = createServer((request, response) => this.#onApi(request, response));
    this.#store = createServer((request, response) => this.#onStore(request, response));
    // A test's slow link may take as long as it likes.
    for (const server of [this.#api, this.#store]) server.requestTimeout = 0;
  }

  async listen(): Promise<void> {
    for (const server of [this.#api, this.#store]) {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, LOOPBACK, resolve);
      });
    }
  }

  get url(): string {
    return originOf(this.#api);
  }

  get storeUrl(): string {
    return originOf(this.#store);
  }

  get requests(): readonly RecordedRequest[] {
    return this.#log.requests;
  }

  get objects(): ReadonlyMap<string, StoredObject> {
    return this.#shelf.objects;
  }

  get assets(): ReadonlyMap<string, Readonly<FaultAsset>> {
    return this.#backend.assets;
  }

  plan: FaultServer['plan'] = (rules) => this.#plan.set(rules);

  behave: FaultServer['behave'] = (behaviour) => {
    const merged = { ...this.#behaviour, ...withoutUndefined(behaviour) };
    this.#behaviour = parseArgument('behave', behaviourSchema, merged);
    this.#gate.refill();
  };

  process: FaultServer['process'] = (processing) => {
    this.#backend.setProcessing(parseArgument('process', processingSchema, processing));
  };

  down: FaultServer['down'] = (routes, how) => {
    this.#gate.down(
      parseArgument('down.routes', z.optional(faultRoutesSchema), routes),
      parseArgument('down.how', z.optional(faultActionSchema), how),
    );
  };

  up: FaultServer['up'] = (routes) => {
    this.#gate.up(parseArgument('up.routes', z.optional(faultRoutesSchema), routes));
  };

  advance: FaultServer['advance'] = (byMs) => {
    this.#advancedMs += parseArgument('advance.byMs', z.number(), byMs);
  };

  dropStreams: FaultServer['dropStreams'] = () => this.#hub.drop();

  sign: FaultServer['sign'] = (file) => {
    const promised = parseArgument('sign', signedFileSchema, file);
    const clientId = `signed-${this.#nextSigned++}`;
    const reservation = this.#backend.reserve({ ...promised, clientId });
    if (!reservation) throw new Error('A fresh client id was taken');
    return this.#credentialOf(reservation);
  };

  state(): FaultServerState {
    const putCounts: Record<string, number> = {};
    for (const { route, key } of this.requests) {
      if (route === 'put' && key !== null) putCounts[key] = (putCounts[key] ?? 0) + 1;
    }
    return structuredClone({
      requests: this.requests,
      objects: [...this.objects.values()].map(({ body: _, ...object }) => object),
      assets: [...this.assets.values()],
      reservations: [...this.#backend.reservations.values()].map(
        ({ assetId, clientId, filename, size, checksum, key, finalizedAs }) => {
          return { assetId, clientId, filename, sizeBytes: size, checksum, key, finalizedAs };
        },
      ),
      putCounts,
      streams: this.#hub.size,
    });
  }

  invariants: FaultServer['invariants'] = (check) =>
    checkInvariants({ ...check, server: this.state() });

  reset(): void {
    for (const exchange of this.#exchanges) exchange.destroy();
    this.#hub.clear();
    this.#backend.clear();
    this.#backend.setProcessing(this.#options.processing);
    this.#shelf.clear();
    this.#gate.clear();
    this.#behaviour = this.#options.behaviour;
    this.#advancedMs = 0;
    this.#plan.set(this.#options.plan);
    this.#log.reset();
  }

  async close(): Promise<void> {
    await Promise.all(this.#spawned.map((child) => child.close()));
    this.reset();
    this.#hub.close();
    for (const server of [this.#api, this.#store]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  readonly #now = (): number => this.#options.clock() + this.#advancedMs;
  readonly #shownNow = (): number => this.#now() + this.#behaviour.clockSkewMs;

  readonly #credentialOf = (reservation: Reservation): Credential => {
    const { assetId, key, mimeType } = reservation;
    const { urlTtlMs } = this.#behaviour;
    const query = this.#signer.sign(key, this.#now() + urlTtlMs);
    return {
      uploadUrl: `${this.storeUrl}/${key}?${query}`,
      assetId,
      pathname: key,
      method: 'PUT',
      headers: { 'content-type': mimeType },
      expiresAt: new Date(this.#shownNow() + urlTtlMs).toISOString(),
      expiresInMs: urlTtlMs,
    };
  };

  #onApi(request: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(request.url ?? '/', this.url);
    if (pathname.startsWith(CONTROL_PREFIX)) {
      const address = (server: FaultServer) => ({ url: server.url, storeUrl: server.storeUrl });
      void answerControl(request, response, this, {
        address: () => address(this),
        spawn: async (options = {}) => {
          const child = await createFaultServer(
            parseArgument('spawn', plainOptionsSchema, options),
          );
          this.#spawned.push(child);
          return address(child);
        },
      });
      return;
    }
    const known = this.#options.api
      ? API_ROUTES.find(({ method, path }) => method === request.method && path.test(pathname))
      : undefined;
    const parts: ApiParts = {
      backend: this.#backend,
      hub: this.#hub,
      plan: this.#plan,
      maxFileBytes: this.#options.maxFileBytes,
      packs: this.#options.packs,
      credentialOf: this.#credentialOf,
      store: ({ key, mimeType }, bytes) => {
        const receipt = new Receipt(this.#options.keepsBodies);
        receipt.add(bytes);
        this.#shelf.put(receipt.finish(key, mimeType), false);
      },
      now: this.#shownNow,
    };
    const route = request.method === 'OPTIONS' ? 'preflight' : known?.route;
    void this.#serve(request, response, route, null, async (exchange) => {
      if (!known) return exchange.refuse(problemAnswer('not_found', 'There is no such route'));
      await known.handle(exchange, pathname, parts);
    });
  }

  #onStore(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? '/', this.storeUrl);
    const key = decodeURIComponent(pathname.slice(1));
    const options = this.#options;
    const parts: StoreParts = {
      shelf: this.#shelf,
      signer: this.#signer,
      isOpen: options.isOpen ?? !options.api,
      createOnly: options.createOnly,
      keepsBodies: options.keepsBodies,
      behaviour: () => this.#behaviour,
      now: this.#now,
      promiseOf: (of) => this.#backend.reservationOfKey(of),
    };
    const route = STORE_ROUTES[request.method ?? ''];
    void this.#serve(request, response, route, key, async (exchange) => {
      if (route === undefined) return exchange.refuse(problemAnswer('method_not_allowed'));
      const filename = this.#backend.reservationOfKey(key)?.filename;
      exchange.record.filenames = filename === undefined ? [] : [filename];
      exchange.expect(this.#plan.match(route, [{ key, filename }]));
      if (route === 'put') await putObject(exchange, key, searchParams, parts);
      else await getObject(exchange, key, parts);
    });
  }

  async #serve(
    request: IncomingMessage,
    response: ServerResponse,
    route: FaultRoute | undefined,
    key: string | null,
    handle: (exchange: Exchange) => Promise<void>,
  ): Promise<void> {
    const { method = '', headers } = request;
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    const begun = { route: route ?? ('unknown' as const), method, path, key };
    const record = this.#log.begin(begun, headers);
    const exchange = new Exchange({
      request,
      response,
      record,
      headers: () => ({ date: new Date(this.#shownNow()).toUTCString() }),
      corsHeaders: () => this.#corsHeaders(request, key !== null),
    });
    this.#exchanges.add(exchange);
    response.on('close', () => {
      this.#exchanges.delete(exchange);
      this.#log.end(record);
    });
    try {
      if (route !== undefined) await this.#gate.pass(exchange, route);
      if (route === 'preflight') await this.#answerPreflight(exchange, key);
      else await handle(exchange);
    } catch (error) {
      // A connection that broke in the middle of a body is an end like any other.
      if (error instanceof ExchangeEnded || request.destroyed || response.destroyed) return;
      await exchange.answer(problemAnswer('internal', String(error)));
    }
  }

  async #answerPreflight(exchange: Exchange, key: string | null): Promise<void> {
    exchange.expect(this.#plan.match('preflight', [key === null ? {} : { key }]));
    await exchange.reach('headers');
    await exchange.answer({ status: 204 });
  }

  #corsHeaders(request: IncomingMessage, isStore: boolean): Record<string, string> {
    const { origin, 'access-control-request-headers': wanted } = request.headers;
    if (!this.#behaviour.hasCors || origin === undefined) return {};
    const exposed = ['Retry-After', 'Date'];
    if (isStore && this.#behaviour.exposesEtag) exposed.push('ETag');
    const common = {
      'access-control-allow-origin': isStore ? '*' : origin,
      ...(isStore ? {} : { 'access-control-allow-credentials': 'true', vary: 'Origin' }),
      'access-control-expose-headers': exposed.join(', '),
    };
    if (request.method !== 'OPTIONS') return common;
    return {
      ...common,
      'access-control-allow-methods': isStore ? 'PUT, HEAD, GET' : 'GET, POST',
      ...(wanted ? { 'access-control-allow-headers': wanted } : {}),
      'access-control-max-age': '600',
    };
  }
}

const STORE_ROUTES: Record<string, FaultRoute> = {
  PUT: 'put',
  HEAD: 'head',
  GET: 'get',
  OPTIONS: 'preflight',
};

function originOf(server: Server): string {
  return `http://${LOOPBACK}:${(server.address() as AddressInfo).port}`;
}

function withoutUndefined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(value).filter(([, member]) => member !== undefined),
  ) as Partial<T>;
}
