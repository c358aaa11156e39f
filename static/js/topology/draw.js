// Draws placed nodes and their links, and lets them glide to where they belong when something changes.
import { setText, words } from "../dom.js";
import { size } from "../format.js";
import { lineOf } from "./layout.js";
import { fit, icon, mark, measure, s, text } from "./svg.js";

const GLIDE_MS = 320;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Picture {
  #nodes = new Map(); // key → {element, signature, x, y}
  #links = new Map(); // key → {group, line, flow, link}
  #frame = 0;

  constructor(svg) {
    this.svg = svg;
    this.layers = Object.fromEntries(["panels", "links", "nodes"].map((name) => [name, s("g", { class: `layer-${name}` })]));
    svg.append(...Object.values(this.layers));
  }

  element(key) {
    return this.#nodes.get(key)?.element;
  }

  show(graph, size) {
    this.graph = graph;
    this.size = size;
    this.svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
    this.svg.setAttribute("width", size.width);
    this.svg.setAttribute("height", size.height);
    this.svg.classList.toggle("is-narrow", size.isNarrow);
    this.layers.panels.replaceChildren(...graph.hosts.map(({ panel, online }) => s("rect", { class: "panel", "data-online": online ? "yes" : "no", x: panel.x + 0.5, y: panel.y + 0.5, width: panel.w - 1, height: panel.h - 1, rx: 14 })));
    this.#keepNodes();
    this.#keepLinks();
    this.#glide();
  }

  #keepNodes() {
    for (const [key, known] of this.#nodes) if (!this.graph.nodes.has(key)) this.#drop(key, known);
    // In the order of reading, which is that of the keys.
    for (const node of inReadingOrder(this.graph)) {
      const signature = JSON.stringify([node.name, node.about, node.state, node.w, node.h, node.address, node.online, node.size, node.fallback, node.internal, node.href, node.isFolded, node.hue, node.open, node.health, node.alive, node.networks]);
      let known = this.#nodes.get(node.key);
      if (!known || known.signature !== signature) {
        const fresh = drawNode(node);
        if (known) {
          const hadFocus = known.element === document.activeElement;
          fresh.setAttribute("tabindex", known.element.getAttribute("tabindex"));
          known.element.replaceWith(fresh);
          Object.assign(known, { element: fresh, signature });
          if (hadFocus) fresh.focus({ preventScroll: true });
        } else {
          known = { element: fresh, signature, x: node.x, y: node.y };
          fresh.classList.add("is-new");
          this.#nodes.set(node.key, known);
        }
      }
      if (this.layers.nodes.lastChild !== known.element) this.#append(known.element);
    }
  }

  /** Moving an element in the tree takes the focus from it. */
  #append(element) {
    const hadFocus = element === document.activeElement;
    this.layers.nodes.append(element);
    if (hadFocus) element.focus({ preventScroll: true });
  }

  #drop(key, { element }) {
    element.remove();
    this.#nodes.delete(key);
  }

  #keepLinks() {
    const keys = new Set(this.graph.links.map((link) => link.key));
    for (const [key, { group }] of this.#links) {
      if (keys.has(key)) continue;
      group.remove();
      this.#links.delete(key);
    }
    for (const link of this.graph.links) {
      let known = this.#links.get(link.key);
      if (!known) {
        const [line, flow] = [s("path", { class: "line" }), s("path", { class: "flow" })];
        known = { group: s("g", {}, line, flow), line, flow };
        this.layers.links.append(known.group);
        this.#links.set(link.key, known);
      }
      known.link = link;
      known.group.setAttribute("class", ["link", `link-${link.kind ?? "net"}`, link.alive === false && "is-faint", link.walled && "is-walled", link.further && "is-further"].filter(Boolean).join(" "));
      known.group.dataset.hue = link.hue ?? "";
      known.group.dataset.from = link.from;
      known.group.dataset.to = link.to;
    }
  }

  #glide() {
    cancelAnimationFrame(this.#frame);
    const starts = new Map([...this.#nodes].map(([key, { x, y }]) => [key, { x, y }]));
    const began = performance.now();
    const step = (now) => {
      const part = calm.matches ? 1 : Math.min(1, (now - began) / GLIDE_MS);
      const eased = 1 - (1 - part) ** 3;
      for (const [key, known] of this.#nodes) {
        const node = this.graph.nodes.get(key);
        const start = starts.get(key);
        known.x = start.x + (node.x - start.x) * eased;
        known.y = start.y + (node.y - start.y) * eased;
        known.element.setAttribute("transform", `translate(${known.x.toFixed(1)} ${known.y.toFixed(1)})`);
      }
      this.#drawLines();
      if (part < 1) this.#frame = requestAnimationFrame(step);
    };
    step(moved(starts, this.graph) ? began : began + GLIDE_MS);
  }

  #drawLines() {
    const at = (key) => ({ ...this.graph.nodes.get(key), x: this.#nodes.get(key).x, y: this.#nodes.get(key).y });
    for (const { line, flow, link } of this.#links.values()) {
      const d = lineOf(link, at(link.from), at(link.to), this.size.isNarrow);
      line.setAttribute("d", d);
      flow.setAttribute("d", d);
    }
  }

  /** `of(link)` and `at(node)` answer {rx, tx} or null; what flows is as wide and as fast as it is much. */
  showTraffic(of, at) {
    for (const { group, link } of this.#links.values()) {
      const found = link.kind ? null : of(link);
      const total = found ? found.rx + found.tx : 0;
      group.dataset.flow = total < 16 ? "0" : total < 16384 ? "1" : total < 1048576 ? "2" : "3";
      group.dataset.way = found && found.tx > found.rx ? "out" : "in";
    }
    for (const [key, { element }] of this.#nodes) {
      const place = element.querySelector(".t-rate");
      if (!place) continue;
      const node = this.graph.nodes.get(key);
      const found = at(node);
      setText(place, found ? fit(`↓ ${size(found.rx)} ↑ ${size(found.tx)}/s`, node.rateWidth, "small") : node.fallback ?? "");
      place.classList.toggle("is-busy", Boolean(found && found.rx + found.tx >= 16));
    }
  }

  /** Bring out what is connected with `keys`; null: everything is as it is. */
  highlight(keys) {
    this.svg.classList.toggle("has-focus", keys !== null);
    for (const [key, { element }] of this.#nodes) element.classList.toggle("is-near", keys?.has(key) ?? false);
    for (const { group, link } of this.#links.values()) group.classList.toggle("is-near", (keys?.has(link.from) && keys.has(link.to)) ?? false);
  }
}

function moved(starts, graph) {
  return [...graph.nodes.values()].some((node) => { const start = starts.get(node.key); return start && (start.x !== node.x || start.y !== node.y); });
}

export function inReadingOrder(graph) {
  return graph.hosts.flatMap((host) => [host, ...host.networks.flatMap((network) => [network, ...network.children.flatMap((child) => [child, ...child.ports])])]);
}

function drawNode(node) {
  const attributes = { class: `node node-${node.kind}`, "data-key": node.key, "data-hue": node.hue ?? "", "data-state": node.state ?? "", tabindex: "-1", "aria-label": labelOf(node) };
  const isLink = node.href && node.kind !== "more";
  if (isLink) Object.assign(attributes, { href: node.href });
  else attributes.role = node.kind === "more" ? "button" : "img";
  if (node.kind === "more") attributes["aria-expanded"] = node.isFolded ? "false" : "true";
  if (isLink && node.kind === "port" && node.port) Object.assign(attributes, { target: "_blank", rel: "noreferrer" });
  if (node.open) attributes["data-open"] = "yes";
  if (node.kind === "container" && !node.alive) attributes["data-faint"] = "yes";
  return s(isLink ? "a" : "g", attributes, s("title", {}, labelOf(node)), ...PARTS[node.kind](node));
}

const PARTS = {
  host(node) {
    node.rateWidth = node.w - 58;
    return [
      s("rect", { class: "box", width: node.w, height: node.h, rx: 10 }),
      s("rect", { class: "chip", x: 12, y: node.h / 2 - 15, width: 30, height: 30, rx: 8 }), icon("host", 19, node.h / 2 - 8),
      text(node.name, { x: 52, y: node.h / 2 - 4, font: "name", width: node.w - 62 }),
      node.online ? s("text", { x: 52, y: node.h / 2 + 14, class: "t-small t-rate" }) : text("offline", { x: 52, y: node.h / 2 + 14, font: "small", width: node.w - 62, kind: "t-bad" }),
    ];
  },
  network(node) {
    const about = node.about || (node.apart ? "apart from all others" : "the host's own bridge");
    node.rateWidth = node.w - 38 - measure(about, node.about ? "code" : "small");
    const count = node.apart ? "" : `${node.size}`;
    return [
      s("rect", { class: "box", width: node.w, height: node.h, rx: 10 }),
      s("path", { class: "edge", d: `M5 10.5V${node.h - 10.5}` }),
      text(node.name, { x: 16, y: node.h / 2 - 5, font: "name", width: node.w - 50 - (node.internal ? 18 : 0) }),
      node.internal ? s("path", { class: "lock", transform: `translate(${node.w - 46} ${node.h / 2 - 15})`, d: "M2 5V3.5a2.5 2.5 0 0 1 5 0V5M1 5h7v5.5H1z" }) : null,
      count ? s("text", { x: node.w - 14, y: node.h / 2 - 5, class: "t-small t-soft", "text-anchor": "end" }, count) : null,
      text(about, { x: 16, y: node.h / 2 + 13, font: node.about ? "code" : "small", width: node.w - 28, kind: "t-soft" }),
      node.rateWidth > 60 ? s("text", { x: node.w - 14, y: node.h / 2 + 13, class: "t-small t-rate", "text-anchor": "end" }) : null,
    ];
  },
  container(node) {
    const several = node.networks > 1 ? ` +${node.networks - 1}` : "";
    const state = node.alive && node.state === "running" ? "" : words.container_status?.[node.state] ?? node.state;
    const under = node.alive ? `${node.address}${several}` : "";
    const line = [under, state].filter(Boolean).join(" · ");
    node.rateWidth = node.w - 57 - measure(line, under ? "code" : "small");
    return [
      s("rect", { class: "box", width: node.w, height: node.h, rx: 10 }),
      mark(node.state, 14, 11),
      text(node.name, { x: 33, y: 20.5, font: "name", width: node.w - 46 - (node.health === "unhealthy" ? 62 : 0) }),
      node.health === "unhealthy" ? s("text", { x: node.w - 12, y: 20.5, class: "t-small t-bad", "text-anchor": "end" }, "unhealthy") : null,
      text(line, { x: 33, y: 38, font: under ? "code" : "small", width: node.w - 46, kind: "t-soft" }),
      node.alive ? s("text", { x: node.w - 12, y: 38, class: "t-small t-rate", "text-anchor": "end" }) : null,
    ];
  },
  more(node) {
    return [
      s("rect", { class: "box", x: 0.5, y: 0.5, width: node.w - 1, height: node.h - 1, rx: 10 }),
      s("path", { class: "chevron", transform: `translate(16 ${node.h / 2})${node.isFolded ? "" : " rotate(180)"}`, d: "M0 -2.5L4 1.5L8 -2.5" }),
      text(node.name, { x: 33, y: node.h / 2 + 4.5, font: "name", width: node.w - 46 }),
      s("text", { x: node.w - 12, y: node.h / 2 + 4.5, class: "t-small t-soft", "text-anchor": "end" }, node.about),
    ];
  },
  port(node) {
    return [
      s("rect", { class: "box", width: node.w, height: node.h, rx: node.h / 2 }),
      text(node.name, { x: node.w / 2, y: node.h / 2 + 4, font: "small", width: node.w - 16, anchor: "middle" }),
    ];
  },
};

function labelOf(node) {
  if (node.kind === "host") return `Host ${node.name}${node.online ? "" : ", offline"}`;
  if (node.kind === "network") return `Network ${node.name}${node.about ? `, ${node.about}` : ""}${node.internal ? ", internal" : ""}, ${node.size} container${node.size === 1 ? "" : "s"}`;
  if (node.kind === "more") return node.isFolded ? `Show ${node.name} (${node.about})` : node.name;
  if (node.kind === "port") return node.port ? `Published at ${node.port.address}, port ${node.port.host}, to ${node.port.container}/${node.port.protocol}${node.open ? ", open to others than the host" : ""}` : node.name;
  return `Container ${node.name}, ${words.container_status?.[node.state] ?? node.state}${node.health ? `, ${node.health}` : ""}${node.address ? `, ${node.address}` : ""}`;
}
