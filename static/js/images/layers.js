// The layers of an image: a bar of their sizes, the steps that made them, the files of the one that is chosen.
import { Problem, api } from "../api.js";
import { $, $$, el, setText } from "../dom.js";
import { size } from "../format.js";
import { LayerTree } from "./tree.js";

const LONG = 160;

export class Layers {
  #loaded = false;

  constructor(root, imageId) {
    this.root = root;
    this.id = imageId;
    this.tree = new LayerTree($("[data-layer-files]", root), imageId);
  }

  async load() {
    if (this.#loaded) return;
    this.#loaded = true;
    try {
      const { layers } = await api("GET", `images/${this.id}/history/`);
      this.#show([...layers].reverse());
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.#loaded = false;
      setText($("[data-layers-note]", this.root), problem.message);
    }
  }

  #show(steps) {
    const layers = steps.filter((step) => !step.is_empty);
    const total = layers.reduce((sum, step) => sum + step.size_bytes, 0);
    setText($("[data-layers-note]", this.root), "");
    $("[data-layer-columns]", this.root).hidden = false;
    $("[data-layer-bar]", this.root).replaceChildren(...layers.map((step, index) => this.#segment(step, index, total)));
    let number = 0;
    $("[data-steps]", this.root).replaceChildren(...steps.map((step) => this.#step(step, step.is_empty ? null : ++number, total)));
    const largest = layers.reduce((best, step) => (step.size_bytes > (best?.size_bytes ?? -1) ? step : best), null);
    if (largest?.diff_id) this.#choose(largest.diff_id);
  }

  #segment(step, index, total) {
    const part = el("span", { class: "layer-part", "data-layer": step.diff_id, title: `Layer ${index + 1}: ${size(step.size_bytes)}`, onclick: () => this.#choose(step.diff_id) });
    part.style.flexGrow = String(total ? step.size_bytes / total : 1);
    return part;
  }

  #step(step, number, total) {
    const command = pretty(step.created_by) || step.comment || "No word of how it was made";
    const text = el("span", { class: "step-command", title: command.length > LONG ? command : null }, command.length > LONG ? `${command.slice(0, LONG)} …` : command);
    if (number === null) return el("li", { class: "step-empty" }, el("span", { class: "step-number" }, "·"), text);
    const share = el("span", { class: "step-share", "aria-hidden": "true" });
    share.style.inlineSize = `${total ? (step.size_bytes / total) * 100 : 0}%`;
    return el("li", {}, el("button", { type: "button", class: "step-button", "data-layer": step.diff_id, "aria-pressed": "false", onclick: () => this.#choose(step.diff_id) },
      el("span", { class: "step-number" }, String(number)), text, el("span", { class: "step-size" }, size(step.size_bytes)), share));
  }

  #choose(diffId) {
    let label = "";
    for (const button of $$(".step-button", this.root)) {
      const isChosen = button.dataset.layer === diffId;
      button.setAttribute("aria-pressed", String(isChosen));
      if (isChosen) label = $(".step-number", button).textContent;
    }
    for (const part of $$(".layer-part", this.root)) part.toggleAttribute("data-chosen", part.dataset.layer === diffId);
    this.tree.show(diffId, `Files of layer ${label}`);
  }
}

/** A step as its Dockerfile had it, as far as that can be told. */
export function pretty(text) {
  const plain = text.replace(/(?<!\s)\s+# buildkit$/, "").trim();
  const [, rest] = plain.match(/^\/bin\/sh -c #\(nop\)\s+(.*)$/s) ?? [];
  if (rest !== undefined) return rest.trim();
  const [, run] = plain.match(/^(?:RUN )?(?:\|\d+ .*?)?\/bin\/sh -c (.*)$/s) ?? [];
  return (run === undefined ? plain : `RUN ${run}`).replace(/\s+/g, " ").trim();
}
