const TYPES = { csv: 'text/csv', json: 'application/json' } as const;

/** The browser has read a saved file by then. */
const REVOKE_AFTER_MS = 60_000;

/** Gives the person a file to keep. */
export function saveText(text: string, name: string, format: keyof typeof TYPES): void {
  const url = URL.createObjectURL(new Blob([text], { type: `${TYPES[format]};charset=utf-8` }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), REVOKE_AFTER_MS);
}
