/** multipart/form-data (RFC 7578) as one Blob, whose length and progress are known. */
export interface FormBody {
  readonly body: Blob;
  /** Bytes before the file's. */
  readonly headBytes: number;
}

export interface FormFile {
  readonly fieldName: string;
  readonly filename: string;
  readonly mimeType: string;
  readonly body: Blob;
}

/** @param boundary occurs nowhere in the file or the fields: long and random */
export function formBody(
  fields: Readonly<Record<string, string>>,
  file: FormFile,
  boundary: string,
): FormBody {
  const texts = Object.entries(fields).map(
    ([name, value]) =>
      `--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(name)}"\r\n\r\n${value}\r\n`,
  );
  const type = file.mimeType === '' ? 'application/octet-stream' : file.mimeType;
  const head = new Blob([
    ...texts,
    `--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(file.fieldName)}"; `,
    `filename="${escapeName(file.filename)}"\r\nContent-Type: ${type}\r\n\r\n`,
  ]);
  const tail = `\r\n--${boundary}--\r\n`;
  const whole = { type: `multipart/form-data; boundary=${boundary}` };
  return { body: new Blob([head, file.body, tail], whole), headBytes: head.size };
}

/** As browsers escape names in forms (HTML, "multipart/form-data encoding algorithm"). */
function escapeName(name: string): string {
  return name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}
