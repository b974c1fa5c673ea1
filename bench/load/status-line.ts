/** How often a log that is no terminal gets a line. */
const LOG_EVERY_MS = 5000;

/** One line that is written over on a terminal, and repeated now and then in a log. */
export interface StatusLine {
  show(text: string): void;
  /** Leaves the last state in place, so that what follows starts on a new line. */
  end(text?: string): void;
}

export function createStatusLine(output: NodeJS.WriteStream = process.stdout): StatusLine {
  let shownMs = performance.now();
  const isTerminal = output.isTTY === true;
  const overwrite = (text: string) =>
    output.write(`\r\x1b[K${text.slice(0, output.columns || 120)}`);
  return {
    show(text) {
      if (isTerminal) overwrite(text);
      else if (performance.now() - shownMs >= LOG_EVERY_MS) {
        shownMs = performance.now();
        output.write(`${text}\n`);
      }
    },
    end(text) {
      if (isTerminal) overwrite(text === undefined ? '' : `${text}\n`);
      else if (text !== undefined) output.write(`${text}\n`);
    },
  };
}
