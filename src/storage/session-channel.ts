/** What the tabs of one application tell one another. */
export type SessionMessage =
  /** A tab opened, and wants to know what the others do. */
  | { readonly type: 'hello' }
  /** The answer: somebody is here. Not answered. */
  | { readonly type: 'here' }
  /** How far the owner of a session is. */
  | {
      readonly type: 'snapshot';
      readonly sessionId: string;
      readonly snapshot: Readonly<Record<string, unknown>>;
    }
  /** Nobody works on the session any more: it is finished, or its owner left. */
  | { readonly type: 'ended'; readonly sessionId: string }
  /** The files of a session by `seq`, so that who takes it over can read them; no bytes are copied. */
  | {
      readonly type: 'files';
      readonly sessionId: string;
      readonly entries: readonly (readonly [seq: number, file: File])[];
    };

export interface SessionChannel {
  /** False where tabs cannot hear one another: then `post` does nothing, and nothing comes. */
  readonly isAvailable: boolean;
  /** Tells all other tabs. @throws DataCloneError when the message cannot be cloned */
  post(message: SessionMessage): void;
  /** Messages of other versions, and anybody else's, are left out. @returns the unsubscribe */
  onMessage(listener: (message: SessionMessage) => void): () => void;
  close(): void;
}
