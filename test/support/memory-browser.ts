import type { Uploader } from '../../src/core/uploader.ts';
import { createUploader, type UploaderOptions } from '../../src/create-uploader.ts';
import type { Hasher } from '../../src/hashing/hasher.ts';
import type { Journal } from '../../src/storage/journal.ts';
import { MemoryJournal } from '../../src/storage/memory-journal.ts';
import type { SessionChannel, SessionMessage } from '../../src/storage/session-channel.ts';
import type { UploadStorage } from '../../src/storage/upload-storage.ts';
import type { UploadAdapter } from '../../src/transports/adapter.ts';
import { MemoryLockRoom } from './memory-locks.ts';
import { textHasher } from './uploader-world.ts';
import type { VirtualRuntime } from './virtual-runtime.ts';

/** One tab: an uploader whose sessions outlive it. */
export interface MemoryPage {
  readonly uploader: Uploader;
  /** Names of the files that were read, in order. */
  readonly read: readonly string[];
  /** What is written from now on is lost, and the page does not know. */
  stopWriting(): void;
  /** The tab is gone from one moment to the next: nothing more is written, sent or said. */
  kill(): void;
}

/** Hears of each change of the journal before it is made. */
export type OnWrite = (name: keyof Journal) => void;

/** A browser on virtual time: tabs come and go, what they stored stays. */
export class MemoryBrowser {
  readonly journal = new MemoryJournal();
  readonly runtime: VirtualRuntime;
  readonly #locks = new MemoryLockRoom();
  readonly #listeners = new Map<object, Set<(message: SessionMessage) => void>>();

  constructor(runtime: VirtualRuntime) {
    this.runtime = runtime;
  }

  open(
    adapter: UploadAdapter,
    options: Partial<UploaderOptions> & { onWrite?: OnWrite } = {},
  ): MemoryPage {
    const { onWrite, ...uploaderOptions } = options;
    const tab = this.#locks.openTab();
    const life = { isOver: false, isWriting: true };
    const storage: UploadStorage = {
      journal: this.#journalOf(life, onWrite),
      locks: tab.locks,
      channel: this.#channelOf(life),
    };
    const read: string[] = [];
    const uploader = createUploader({
      adapter,
      runtime: this.runtime,
      hasher: noting(read, textHasher(this.runtime)),
      storage,
      ...uploaderOptions,
    });
    return {
      uploader,
      read,
      stopWriting() {
        life.isWriting = false;
      },
      kill() {
        life.isOver = true;
        uploader.destroy();
        tab.die();
      },
    };
  }

  /** The browser's journal, which a dead page writes to no more. */
  #journalOf(
    life: { readonly isOver: boolean; readonly isWriting: boolean },
    onWrite: OnWrite | undefined,
  ): Journal {
    const { journal } = this;
    const changing = new Set(['write', 'remove', 'forgetChecksum', 'keepHandle', 'keepCopy']);
    return new Proxy(journal, {
      get(target, name: keyof MemoryJournal) {
        if (name === 'isDurable') return true;
        const method = (target[name] as (...args: unknown[]) => unknown).bind(target);
        if (!changing.has(name)) return method;
        return async (...args: unknown[]) => {
          if (life.isOver || !life.isWriting) return undefined;
          onWrite?.(name);
          // `onWrite` may have been its end.
          return life.isOver ? undefined : method(...args);
        };
      },
    });
  }

  #channelOf(life: { readonly isOver: boolean }): SessionChannel {
    const own = new Set<(message: SessionMessage) => void>();
    this.#listeners.set(own, own);
    return {
      isAvailable: true,
      post: (message) => {
        if (life.isOver) return;
        for (const listeners of this.#listeners.values()) {
          if (listeners === own) continue;
          queueMicrotask(() => {
            for (const listener of listeners) listener(structuredClone(message));
          });
        }
      },
      onMessage(listener) {
        own.add(listener);
        return () => own.delete(listener);
      },
      close: () => {
        this.#listeners.delete(own);
      },
    };
  }
}

function noting(read: string[], hasher: Hasher): Hasher {
  return {
    hash(file, signal) {
      read.push((file as File).name);
      return hasher.hash(file, signal);
    },
  };
}
