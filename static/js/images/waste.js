// What later layers overwrite or delete of earlier ones' files: it is pulled and stored in vain.
import { Problem, api } from "../api.js";
import { $, el, setText } from "../dom.js";
import { size } from "../format.js";

const SHOWN = 200;

export class Waste {
  #loaded = false;

  constructor(root, imageId) {
    this.root = root;
    this.id = imageId;
  }

  async load() {
    if (this.#loaded) return;
    this.#loaded = true;
    this.#say("Comparing the layers …");
    try {
      this.#show(await api("GET", `images/${this.id}/waste/`));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.#loaded = false;
      this.#say(problem.message);
    }
  }

  #show({ wasted_bytes: bytes, efficiency, files, is_cut: isCut }) {
    const percent = Math.floor(efficiency * 1000) / 10;
    $("[data-waste-sum]", this.root).hidden = false;
    setText($("[data-efficiency]", this.root), `${percent} %`);
    const bar = $("[data-efficiency-bar]", this.root);
    bar.value = percent;
    bar.className = percent >= 95 ? "done" : percent >= 80 ? "warn" : "bad";
    setText($("[data-waste-text]", this.root), bytes
      ? `${size(bytes)} are pulled and stored in vain: later layers overwrite or delete them. Clean up in the step that makes the files, and copy with the right owner at once.`
      : "Nothing is there in vain: no layer overwrites or deletes what an earlier one has.");
    this.#say(`${files.length > SHOWN ? `The ${SHOWN} largest are shown. ` : ""}${isCut ? "There were too many files to look at all of them." : ""}`.trim());
    const table = $("[data-waste-files]", this.root);
    table.hidden = files.length === 0;
    $("tbody", table).replaceChildren(...files.slice(0, SHOWN).map((file) => el("tr", {},
      el("td", { class: "code" }, file.path), el("td", { class: "numeric small" }, String(file.count)), el("td", { class: "numeric small" }, size(file.size_bytes)))));
  }

  #say(text) {
    setText($("[data-waste-note]", this.root), text);
  }
}
