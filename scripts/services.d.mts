export interface Service {
  readonly url: string;
  /** Ends it, if it was started here. */
  stop(): Promise<void>;
}

export class ServiceError extends Error {}
export function findOrStartPostgres(): Promise<Service>;
export function findOrStartRedis(): Promise<Service>;
/** Whether anything answers on that port of this machine. */
export function isListening(port: number): Promise<boolean>;
/** The folder of its programs. */
export function findPostgres(): string | undefined;
export function findRedis(): string | undefined;
/** A port of 127.0.0.1 that nothing uses now. */
export function freePort(): Promise<number>;
