/** Most files in one request for credentials, to finalize, or to reconcile. */
export const MAX_BATCH_FILES = 500;

/** How long a credential may be used, in seconds, counted from its issue. */
export const CREDENTIAL_TTL_SECONDS = 300;

/** Most bytes of a file name (or of a relative path), in UTF-8 after NFC. */
export const MAX_NAME_BYTES = 1024;

/** Most assets in one page of `GET /api/assets` or `GET /api/search`. */
export const MAX_PAGE_ASSETS = 200;

/** Most bytes of a JSON request body: 500 files with the longest names and paths fit. */
export const MAX_JSON_BYTES = 2 * 1024 * 1024;
