// What one layer adds, changes and deletes: a tree whose directories are asked for when they are opened.
import { Problem, api } from "../api.js";
import { $, el, icon, setText } from "../dom.js";
import { size } from "../format.js";

const MARKS = { added: ["+", "good"], changed: ["~", "warn"], deleted: ["−", "bad"] };

export class LayerTree {
  #layer = "";

  constructor(root, imageId) {
    this.root = root;
    this.id = imageId;
  }

  /** Show a layer from its top. */
  async show(layer, title) {
    if (layer === this.#layer) return;
    this.#layer = layer;
    this.root.hidden = false;
    setText($("[data-files-title]", this.root), title);
    setText($("[data-files-note]", this.root), "Reading …");
    $("[data-tree]", this.root).replaceChildren();
    const list = await this.#list(layer, "/");
    if (layer !== this.#layer) return;
    if (typeof list === "string") return setText($("[data-files-note]", this.root), list);
    setText($("[data-files-note]", this.root), list.children.length ? "" : "This layer changes no file.");
    $("[data-tree]", this.root).replaceChildren(list);
  }

  /** The entries of a directory as a list, or why they can't be had. */
  async #list(layer, path) {
    try {
      const { files, more } = await api("GET", `images/${this.id}/files/?${new URLSearchParams({ layer, path })}`);
      const order = (file) => (file.type === "directory" && file.change !== "deleted" ? 0 : 1);
      const sorted = [...files].sort((a, b) => order(a) - order(b) || (b.size_bytes ?? 0) - (a.size_bytes ?? 0) || a.path.localeCompare(b.path));
      const list = el("ul", {}, ...sorted.map((file) => this.#entry(layer, file)));
      if (more) list.append(el("li", { class: "small faint tree-more" }, "There are more than are shown here."));
      return list;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      return problem.message;
    }
  }

  #entry(layer, file) {
    const [sign, tone] = MARKS[file.change] ?? ["", ""];
    const parts = [
      el("span", { class: `tree-mark tree-${tone}`, title: file.change }, el("span", { "aria-hidden": "true" }, sign), el("span", { class: "visually-hidden" }, file.change)),
      el("span", { class: "tree-name" }, visible(file.path.replace(/\/$/, "").split("/").pop()) + (file.type === "directory" ? "/" : "")),
      el("span", { class: "tree-size" }, file.size_bytes ? `${file.change === "deleted" ? "−" : ""}${size(file.size_bytes)}` : ""),
    ];
    if (file.type !== "directory" || file.change === "deleted") return el("li", {}, el("span", { class: "tree-row" }, el("span", { class: "tree-arrow" }), ...parts));
    const item = el("li", {});
    const arrow = el("span", { class: "tree-arrow" }, icon("chevron"));
    item.append(el("button", { type: "button", class: "tree-row", "aria-expanded": "false", onclick: (event) => this.#toggle(event.currentTarget, item, layer, file.path) }, arrow, ...parts));
    return item;
  }

  async #toggle(button, item, layer, path) {
    const isOpen = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!isOpen));
    const known = $("ul, p", item);
    if (known) {
      known.hidden = isOpen;
      if (known.localName === "ul") return;
      known.remove();
    }
    if (isOpen) return;
    button.setAttribute("aria-busy", "true");
    const list = await this.#list(layer, path);
    button.removeAttribute("aria-busy");
    item.append(typeof list === "string" ? el("p", { class: "small problem" }, list) : list);
  }
}

/** A name without what would move text about: controls, marks of direction, line ends. */
function visible(name) {
  return name.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (one) => `\\u{${one.codePointAt(0).toString(16)}}`);
}
