// Bytes a second of every link, from the figures that the hosts' samplers tell anyway. Nobody is asked while the page
// is hidden. One socket takes so many containers, so a large site has several.
import { ReturningSocket } from "../socket.js";

const EACH = 200;
const FRESH_MS = 9000;

export class Traffic {
  #sockets = [];
  #before = new Map(); // container → {at, interfaces: {name: [rx, tx]}, whole: [rx, tx]}
  #rates = new Map(); // container → {seen, whole: {rx, tx}, interfaces: {name: {rx, tx}}}
  #watched = [];

  /** `changed()` is called when there are new figures. */
  constructor(changed) {
    this.changed = changed;
    document.addEventListener("visibilitychange", () => this.#apply());
  }

  watch(ids) {
    const wanted = [...ids].sort();
    if (wanted.join() === this.#watched.join()) return;
    this.#watched = wanted;
    for (const id of this.#rates.keys()) if (!wanted.includes(id)) this.#rates.delete(id);
    this.#apply();
  }

  /** {rx, tx} bytes a second of a container's interface, or of all; null when nothing is known. */
  rate(container, interface_ = null, only = true) {
    const known = this.#rates.get(container);
    if (!known || Date.now() - known.seen > FRESH_MS) return null;
    if (only || interface_ === null) return known.whole;
    return known.interfaces[interface_] ?? null;
  }

  sum(containers) {
    let found = null;
    for (const id of containers) {
      const one = this.rate(id);
      if (one) found = { rx: (found?.rx ?? 0) + one.rx, tx: (found?.tx ?? 0) + one.tx };
    }
    return found;
  }

  #apply() {
    const wanted = document.hidden ? [] : this.#watched;
    const parts = [];
    for (let at = 0; at < wanted.length; at += EACH) parts.push(wanted.slice(at, at + EACH));
    while (this.#sockets.length < parts.length) this.#open(this.#sockets.length);
    this.#sockets.forEach((one, index) => {
      one.ids = parts[index] ?? [];
      if (one.socket.socket?.readyState === WebSocket.OPEN) tell(one);
      else if (one.ids.length) one.socket.open();
    });
  }

  #open(index) {
    const one = { ids: [] };
    one.socket = new ReturningSocket("/ws/containers/stats/", {
      onState: (state) => state === "live" && tell(this.#sockets[index]),
      onMessage: (message) => {
        for (const sample of message.type === "history" ? message.samples.slice(-2) : message.type === "sample" ? [message.sample] : []) this.#take(sample);
        this.changed();
      },
    });
    this.#sockets.push(one);
  }

  #take({ at, containers }) {
    for (const [id, figures] of Object.entries(containers)) {
      const now = { at, whole: [figures.network_rx_bytes ?? 0, figures.network_tx_bytes ?? 0], interfaces: figures.interfaces ?? {} };
      const then = this.#before.get(id);
      if (then && then.at >= at) continue;
      this.#before.set(id, now);
      if (!then) continue;
      const seconds = at - then.at;
      const interfaces = Object.fromEntries(Object.entries(now.interfaces).map(([name, count]) => [name, between(then.interfaces[name], count, seconds)]));
      this.#rates.set(id, { seen: Date.now(), whole: between(then.whole, now.whole, seconds), interfaces });
    }
  }
}

/** Counters begin again with each start of a container. */
function between(then, now, seconds) {
  if (!then || now[0] < then[0] || now[1] < then[1]) return { rx: 0, tx: 0 };
  return { rx: (now[0] - then[0]) / seconds, tx: (now[1] - then[1]) / seconds };
}

function tell({ socket, ids }) {
  socket.socket.send(JSON.stringify({ watch: ids, figures: "traffic" }));
}
