// The picture by keyboard and pointer: one stop for Tab, arrows from there; what is pointed at shows what it hangs on.
import { inReadingOrder } from "./draw.js";

const ARROWS = { ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right", Home: "first", End: "last" };

export class Keys {
  #at = null;

  /** `toggle(key)` folds and unfolds. */
  constructor(picture, toggle) {
    this.picture = picture;
    const { svg } = picture;
    const keyOf = (event) => event.target.closest?.("[data-key]")?.dataset.key ?? null;
    svg.addEventListener("keydown", (event) => this.#key(event, keyOf(event), toggle));
    svg.addEventListener("click", (event) => {
      const key = keyOf(event);
      if (key && this.#node(key)?.kind === "more") toggle(key);
    });
    svg.addEventListener("focusin", (event) => this.#arrive(keyOf(event)));
    svg.addEventListener("focusout", () => this.picture.highlight(null));
    svg.addEventListener("pointerover", (event) => event.pointerType === "mouse" && this.#bring(keyOf(event)));
    svg.addEventListener("pointerleave", () => this.#bring(null));
  }

  /** After each drawing: something can be reached by Tab, also when what had the focus is gone. */
  refresh() {
    const { graph } = this.picture;
    if (!graph.nodes.has(this.#at)) this.#at = graph.hosts[0]?.key ?? null;
    for (const key of graph.nodes.keys()) this.picture.element(key)?.setAttribute("tabindex", key === this.#at ? "0" : "-1");
  }

  #node(key) {
    return this.picture.graph.nodes.get(key);
  }

  #arrive(key) {
    if (!key) return;
    this.#at = key;
    this.refresh();
    this.#bring(key);
  }

  #key(event, key, toggle) {
    if (!key || event.ctrlKey || event.metaKey || event.altKey) return;
    if ((event.key === "Enter" || event.key === " ") && this.#node(key).kind === "more") {
      event.preventDefault();
      return toggle(key);
    }
    const way = ARROWS[event.key];
    const next = way && this.#next(this.#node(key), way);
    if (!way) return;
    event.preventDefault();
    if (next) this.picture.element(next.key).focus();
  }

  /** Up and down within a column, to the left what it hangs on, to the right what hangs on it. */
  #next(node, way) {
    const all = inReadingOrder(this.picture.graph);
    const kinds = node.kind === "more" ? ["container", "more"] : node.kind === "container" ? ["container", "more"] : [node.kind];
    const column = all.filter((one) => kinds.includes(one.kind));
    const at = column.indexOf(node);
    if (way === "first") return column[0];
    if (way === "last") return column.at(-1);
    if (way === "up" || way === "down") return column[at + (way === "down" ? 1 : -1)];
    const { links } = this.picture.graph;
    const found = way === "left" ? links.find((link) => link.to === node.key)?.from : links.find((link) => link.from === node.key)?.to;
    return found ? this.#node(found) : null;
  }

  /** The way from the host to the key, and all that hangs on it. */
  #bring(key) {
    if (!key) return this.picture.highlight(null);
    const { links } = this.picture.graph;
    const near = new Set([key]);
    const follow = (from, to) => {
      for (let waiting = [key]; waiting.length;) {
        const one = waiting.pop();
        for (const link of links) {
          if (link[from] !== one || near.has(link[to])) continue;
          near.add(link[to]);
          waiting.push(link[to]);
        }
      }
    };
    follow("to", "from");
    const up = new Set(near);
    follow("from", "to");
    for (const one of near) if (!up.has(one) && this.#node(one)?.kind === "host") near.delete(one);
    this.picture.highlight(near);
  }
}
