/** What WebDriver answered to a command it refused; see https://www.w3.org/TR/webdriver2/#errors. */
export class WebDriverError extends Error {
  override name = 'WebDriverError';
}

/** Keys without a character: https://www.w3.org/TR/webdriver2/#keyboard-actions. */
const KEY_CODES: Readonly<Record<string, string>> = {
  Tab: '\uE004',
  Enter: '\uE007',
  Escape: '\uE00C',
  PageUp: '\uE00E',
  PageDown: '\uE00F',
  End: '\uE010',
  Home: '\uE011',
  ArrowLeft: '\uE012',
  ArrowUp: '\uE013',
  ArrowRight: '\uE014',
  ArrowDown: '\uE015',
};

/** A session of WebDriver: one browser, of which it drives the window it is in. */
export class WebDriverSession {
  readonly #url: string;
  /** As the browser names it, for example `2.50.6`. */
  readonly version: string;

  private constructor(url: string, version: string) {
    this.#url = url;
    this.version = version;
  }

  /** @param binary what the driver starts, with `args`; both are WebKitWebDriver's own capabilities. */
  static async create(
    driverUrl: string,
    binary: string,
    args: string[],
  ): Promise<WebDriverSession> {
    const alwaysMatch = { 'webkitgtk:browserOptions': { binary, args } };
    const { sessionId, capabilities } = await call<{
      sessionId: string;
      capabilities: { browserVersion: string };
    }>('POST', `${driverUrl}/session`, { capabilities: { alwaysMatch } });
    return new WebDriverSession(`${driverUrl}/session/${sessionId}`, capabilities.browserVersion);
  }

  /** Until the page is loaded. */
  async goTo(url: string): Promise<void> {
    await call('POST', `${this.#url}/url`, { url });
  }

  /** One after the other, by whatever has the keyboard: what `KeyboardEvent.key` calls them. */
  async press(keys: readonly string[]): Promise<void> {
    const actions = keys.flatMap((key) => {
      const value = KEY_CODES[key] ?? key;
      return [
        { type: 'keyDown', value },
        { type: 'keyUp', value },
      ];
    });
    await call('POST', `${this.#url}/actions`, {
      actions: [{ type: 'key', id: 'keyboard', actions }],
    });
  }

  /** Ends the browser. */
  async delete(): Promise<void> {
    await call('DELETE', this.#url);
  }
}

/** Whether the driver takes a session now. */
export async function isReady(driverUrl: string): Promise<boolean> {
  try {
    return (await call<{ ready: boolean }>('GET', `${driverUrl}/status`)).ready;
  } catch (error) {
    // Nothing listens there yet.
    if (error instanceof TypeError) return false;
    throw error;
  }
}

async function call<Value>(method: string, url: string, body?: object): Promise<Value> {
  const response = await fetch(url, {
    method,
    ...(body
      ? { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
      : {}),
  });
  const { value } = (await response.json()) as {
    value: Value & { error: string; message: string };
  };
  if (!response.ok) {
    throw new WebDriverError(
      `${method} ${new URL(url).pathname}: ${value.error}: ${value.message}`,
    );
  }
  return value;
}
