// One process in a container, new (exec) or its own (attach), over a socket that may break: output and input go on where they stopped, nothing twice.
import { backoff, socketUrl } from "../socket.js";

const KEEP_MS = 20_000;
const TRIES = 12;
// The host takes 256 KiB ahead of what the process was given, and what is beyond would stand in the way of "taken".
const AHEAD_BYTES = 224 << 10;
const CHUNK_BYTES = 32 << 10;
const encoder = new TextEncoder();

/**
 * `on`: opened(), data(bytes, done), end({exit_code}), error({family, message}), state(connecting|live|waiting|over).
 * `done` is to be called when the bytes are on the screen: the host sends no more than a window ahead of that.
 */
export class Session {
  constructor(containerId, kind, request, on) {
    Object.assign(this, { path: `/ws/containers/${containerId}/${kind}/`, request, on });
    Object.assign(this, { id: null, taken: 0, shown: 0, sent: 0, confirmed: 0, unconfirmed: [], waiting: [], tries: 0, isOver: false });
    this.keep = setInterval(() => this.#say({ type: "taken", bytes: this.shown }), KEEP_MS);
    this.#connect();
  }

  /** Text or bytes for the process. */
  send(input) {
    if (this.isOver) return;
    const bytes = typeof input === "string" ? encoder.encode(input) : input;
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) this.waiting.push(bytes.subarray(at, at + CHUNK_BYTES));
    this.#flush();
  }

  resize(rows, columns) {
    Object.assign(this.request, { rows, columns });
    this.#say({ type: "resize", rows, columns });
  }

  /** End it: a new process is hung up on, the container's own goes on. */
  close() {
    this.#say({ type: "close" });
    this.#finish();
    this.socket?.close();
  }

  get isLive() {
    return this.id !== null && this.socket?.readyState === WebSocket.OPEN && this.hasBegun;
  }

  #connect() {
    this.on.state("connecting");
    this.hasBegun = false;
    const socket = new WebSocket(socketUrl(this.path));
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.addEventListener("open", () => {
      const first = this.id ? { type: "join", session: this.id, taken: this.taken, sent: this.confirmed } : { type: "open", ...this.request };
      socket.send(JSON.stringify(first));
    });
    socket.addEventListener("message", ({ data }) => this.socket === socket && this.#hear(data));
    socket.addEventListener("close", ({ code }) => this.socket === socket && this.#broken(code));
  }

  #hear(data) {
    if (data instanceof ArrayBuffer) return this.#take(data);
    const message = JSON.parse(data);
    if (message.type === "opened") this.#begin(message);
    else if (message.type === "confirmed") this.#confirm(message.bytes);
    else if (message.type === "end") this.#over(() => this.on.end(message));
    else if (message.type === "error" && message.error.family !== "unavailable") this.#over(() => this.on.error(message.error));
    else if (message.type === "error") this.lastError = message.error;
  }

  #begin({ session, recording }) {
    if (recording && this.id === null) this.on.recorded?.(recording);
    this.id = session;
    this.hasBegun = true;
    this.tries = 0;
    this.on.state("live");
    this.waiting.unshift(...this.unconfirmed.splice(0));
    this.sent = this.confirmed;
    this.#flush();
    const { rows, columns } = this.request;
    if (rows) this.#say({ type: "resize", rows, columns });
  }

  #take(buffer) {
    const view = new DataView(buffer);
    const cursor = Number(view.getBigUint64(1));
    const fresh = new Uint8Array(buffer, 9);
    this.taken = cursor;
    this.on.data(fresh, () => {
      this.shown = cursor;
      this.#say({ type: "taken", bytes: cursor });
    });
  }

  #confirm(bytes) {
    let done = bytes - this.confirmed;
    this.confirmed = Math.max(this.confirmed, bytes);
    while (done > 0 && this.unconfirmed.length) {
      const first = this.unconfirmed[0];
      if (first.length <= done) this.unconfirmed.shift();
      else this.unconfirmed[0] = first.subarray(done);
      done -= first.length;
    }
    this.#flush();
  }

  #flush() {
    while (this.isLive && this.waiting.length && this.sent + this.waiting[0].length - this.confirmed <= AHEAD_BYTES) {
      const bytes = this.waiting.shift();
      this.sent += bytes.length;
      this.unconfirmed.push(bytes);
      this.socket.send(bytes);
    }
  }

  #say(message) {
    if (this.isLive) this.socket.send(JSON.stringify(message));
  }

  #broken(code) {
    if (this.isOver) return;
    if (code >= 4400 || this.tries >= TRIES) {
      const message = code >= 4400 ? "You may not do this any more, or have to sign in again." : "The connection is lost.";
      return this.#over(() => this.on.error(this.lastError ?? { family: "unavailable", message }));
    }
    const wait = backoff(this.tries++);
    this.on.state("waiting");
    setTimeout(() => !this.isOver && this.#connect(), wait);
  }

  #over(tell) {
    this.#finish();
    tell();
  }

  #finish() {
    this.isOver = true;
    clearInterval(this.keep);
    this.on.state("over");
  }
}
