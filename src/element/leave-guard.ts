/**
 * Asks before the tab is closed while files are not sent; what the server has needs no tab. It listens only
 * while there is something to lose: a page that listens all the time is not kept for the back button.
 */
export class LeaveGuard {
  #isOn = false;

  set(isOn: boolean): void {
    if (isOn === this.#isOn) return;
    this.#isOn = isOn;
    if (isOn) window.addEventListener('beforeunload', ask);
    else window.removeEventListener('beforeunload', ask);
  }
}

const ask = (event: BeforeUnloadEvent): void => event.preventDefault();
