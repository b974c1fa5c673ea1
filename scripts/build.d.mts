/** A step of the build failed. */
export class BuildError extends Error {}

/** Builds what is stale; says whether anything was. Throws a {@link BuildError} when a step fails. */
export function build(options?: { force?: boolean }): Promise<boolean>;
