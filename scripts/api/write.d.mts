/** Writes the API reference from JSDoc into a folder. */
export declare function writeApiReference(out: string): Promise<void>;
