import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { fromDatabase } from '../database/database-problem.ts';
import type { Logger } from '../logging.ts';
import { ProblemError, problemResponse } from '../problem-error.ts';
import { type ConnectEvents, WEB_SOCKET_PATH } from '../routes/events.ts';
import {
  type EventSink,
  MAX_BUFFERED_BYTES,
  type SinkHandlers,
  type StreamEnd,
} from './event-sink.ts';

/** Nothing is expected of a reader. */
const MAX_MESSAGE_BYTES = 1024;
/** Pings: with the default heartbeat, a connection that is dead is noticed after 45 s. */
const MAX_UNANSWERED = 3;

/** RFC 6455, 7.4.1. After 1008 the session is over; after 1012 and 1013 come back. */
const CLOSE: Record<StreamEnd, [code: number, reason: string]> = {
  idle: [1000, 'idle'],
  'session-ended': [1008, 'session ended'],
  restart: [1012, 'restart'],
  failed: [1013, 'try again later'],
};

/** Takes what node:http hands over on `upgrade`. Never rejects: a refusal is written to the socket. */
export type UpgradeHandler = (
  incoming: IncomingMessage,
  socket: Duplex,
  head: Buffer,
) => Promise<void>;

export interface WebSocketUpgradeParts {
  connectEvents: ConnectEvents;
  basePath?: string;
  logger: Logger;
}

/** The events of `/api/sse/processing-updates` over WebSockets, on node:http. */
export function createWebSocketUpgrade(parts: WebSocketUpgradeParts): UpgradeHandler {
  const { connectEvents, basePath = '', logger } = parts;
  const cookies = new WeakMap<IncomingMessage, string>();
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: MAX_MESSAGE_BYTES,
    // Messages are small, and a compressor for each stream costs more memory than it saves bytes.
    perMessageDeflate: false,
  });
  server.on('headers', (headers, incoming) => {
    const cookie = cookies.get(incoming);
    if (cookie !== undefined) headers.push(`Set-Cookie: ${cookie}`);
  });

  return async (incoming, socket, head) => {
    const fail = (error: Error) => logger.debug({ err: error }, 'A WebSocket was lost');
    socket.on('error', fail);
    let isAccepted = false;
    try {
      const request = requestOf(incoming);
      if (new URL(request.url).pathname !== `${basePath}${WEB_SOCKET_PATH}`) {
        throw new ProblemError('not_found', 'There is no such WebSocket');
      }
      await connectEvents(request, (handlers, { setCookie }) => {
        if (setCookie !== undefined) cookies.set(incoming, setCookie);
        const webSocket = accept(server, incoming, socket, head);
        isAccepted = true;
        return createSocketSink(webSocket, handlers);
      });
    } catch (error) {
      const known = fromDatabase(error);
      const problem = known instanceof ProblemError ? known : new ProblemError('internal');
      if (problem.code === 'internal')
        logger.error({ err: error }, 'A WebSocket could not be opened');
      // Once it is a WebSocket, its close code has said so.
      if (!isAccepted) await refuse(socket, problem);
    }
  };
}

/** @throws {ProblemError} when the handshake is none; `ws` has answered it then. */
function accept(
  server: WebSocketServer,
  incoming: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): WebSocket {
  let accepted: WebSocket | undefined;
  // Calls back before it returns: there is nothing it would have to wait for.
  server.handleUpgrade(incoming, socket, head, (webSocket) => {
    accepted = webSocket;
  });
  if (!accepted) throw new ProblemError('invalid_request', 'This is no WebSocket handshake');
  return accepted;
}

function createSocketSink(webSocket: WebSocket, handlers: SinkHandlers): EventSink {
  let isBehind = false;
  let unanswered = 0;
  const onFlushed = () => {
    if (!isBehind || webSocket.bufferedAmount > 0) return;
    isBehind = false;
    handlers.onDrain();
  };
  const send = (text: string) => {
    if (webSocket.readyState !== webSocket.OPEN) return;
    webSocket.send(text, onFlushed);
    if (webSocket.bufferedAmount >= MAX_BUFFERED_BYTES) isBehind = true;
  };
  webSocket.on('pong', () => {
    unanswered = 0;
  });
  webSocket.on('close', () => handlers.onClose());
  // A frame that breaks the protocol, a connection that breaks: `close` follows.
  webSocket.on('error', () => webSocket.terminate());
  return {
    transport: 'websocket',
    get canSend() {
      return webSocket.readyState === webSocket.OPEN && !isBehind;
    },
    send(json, id) {
      // The event's own members, after the id.
      send(`{"id":${id},${json.slice(1)}`);
    },
    heartbeat() {
      // Bytes still wait: a ping would wait behind them, and says nothing of whether it lives.
      if (webSocket.bufferedAmount > 0) return;
      if (unanswered >= MAX_UNANSWERED) return webSocket.terminate();
      unanswered++;
      webSocket.ping();
      // Pages are not shown pings.
      send('{"type":"heartbeat"}');
    },
    close(end) {
      webSocket.close(...CLOSE[end]);
      // Not when the other side has answered, which a dead one never does.
      handlers.onClose();
    },
  };
}

function requestOf(incoming: IncomingMessage): Request {
  const url = `http://${incoming.headers.host ?? ''}${incoming.url ?? '/'}`;
  if (!URL.canParse(url)) throw new ProblemError('invalid_request', 'The address is none');
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(incoming.headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  return new Request(url, { headers });
}

/** The problem as an HTTP answer, where the handshake did not come to pass. */
async function refuse(socket: Duplex, problem: ProblemError): Promise<void> {
  if (!socket.writable) return;
  const { code, message: detail, retryAfterSeconds } = problem;
  const response = problemResponse({ code, detail, retryAfterSeconds });
  const body = await response.text();
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`);
  const lines = [
    `HTTP/1.1 ${response.status} Refused`,
    ...headers,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
}
