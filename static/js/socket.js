// What all sockets share: their address, and how long to wait before the next try.

const FIRST_MS = 300;
const LONGEST_MS = 5000;

export function socketUrl(path, parameters = {}) {
  const url = new URL(path, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  return url.href;
}

/** Milliseconds to wait after `tries` failures: doubling, up to five seconds, spread so that pages don't knock together. */
export function backoff(tries) {
  return Math.min(LONGEST_MS, FIRST_MS * 2 ** tries) * (0.7 + Math.random() * 0.6);
}

/**
 * A socket that comes back: `parameters()` is asked before each connection, so that it can name the place to go
 * on from. `onState(state, waitMs)` hears connecting, live, waiting, closed. Close codes of 4400 and more are final.
 */
export class ReturningSocket {
  constructor(path, { parameters = () => ({}), onMessage, onState = () => {} }) {
    Object.assign(this, { path, parameters, onMessage, onState, tries: 0, timer: 0, socket: null, wanted: false });
    addEventListener("online", () => this.wanted && this.socket === null && this.open());
  }

  open() {
    this.wanted = true;
    clearTimeout(this.timer);
    if (this.socket) return;
    this.onState("connecting");
    const socket = new WebSocket(socketUrl(this.path, this.parameters()));
    this.socket = socket;
    socket.addEventListener("open", () => this.onState("live"));
    socket.addEventListener("message", (event) => {
      if (this.socket !== socket) return;
      const message = JSON.parse(event.data);
      // A site that only says why it can't serve now is not to be asked ever again without a pause.
      if (message.type !== "error") this.tries = 0;
      this.onMessage(message);
    });
    socket.addEventListener("close", (event) => {
      if (this.socket === socket) this.#closed(event.code);
    });
  }

  /** Close for good (until `open` is called again). */
  close() {
    this.wanted = false;
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.onState("closed");
  }

  #closed(code) {
    this.socket = null;
    if (!this.wanted || code >= 4400) {
      this.wanted = false;
      return this.onState("closed", code);
    }
    const wait = backoff(this.tries++);
    this.onState("waiting", wait);
    this.timer = setTimeout(() => this.open(), wait);
  }
}
