import type { Runtime } from '../runtime/runtime.ts';
import type { EventOf, UploaderEvent, UploaderEventType } from './types.ts';

type AnyListener = (event: UploaderEvent) => void;

/** Typed listeners. One that throws is reported and harms nobody. */
export class Emitter {
  readonly #runtime: Runtime;
  readonly #listeners = new Map<UploaderEventType, Set<AnyListener>>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  on<T extends UploaderEventType>(type: T, listener: (event: EventOf<T>) => void): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    // The set only ever receives events of its own type.
    const registered = listener as AnyListener;
    listeners.add(registered);
    return () => listeners.delete(registered);
  }

  emit(event: UploaderEvent): void {
    const listeners = this.#listeners.get(event.type);
    if (!listeners?.size) return;
    for (const listener of [...listeners]) {
      try {
        listener(event);
      } catch (error) {
        this.#runtime.reportError(error);
      }
    }
  }
}
