// What a container added, changed and deleted of its image's files: asked for when somebody looks.
import { Problem, api } from "./api.js";
import { $, el, setText } from "./dom.js";
import { size } from "./format.js";

const TONES = { added: "pill-good", changed: "pill-warn", deleted: "pill-bad" };
const SHOWN = 2000;

export class ChangedFiles {
  constructor(root, containerId) {
    this.root = root;
    this.path = `containers/${containerId}/changes/`;
    $("[data-files-again]", root).addEventListener("click", () => this.load());
  }

  async load() {
    const button = $("[data-files-again]", this.root);
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    try {
      this.#show(await api("GET", this.path));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.#say(problem.message);
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  #show({ changes, more }) {
    $("[data-files]", this.root).replaceChildren(...changes.slice(0, SHOWN).map(row));
    $(".files-list", this.root).hidden = changes.length === 0;
    if (!changes.length) return this.#say("Nothing differs from the image.");
    const counts = Object.keys(TONES).map((change) => [change, changes.filter((one) => one.change === change).length]);
    const text = counts.filter(([, count]) => count).map(([change, count]) => `${count} ${change}`).join(", ");
    const cut = more ? " There are more than were looked at." : changes.length > SHOWN ? ` The first ${SHOWN} are shown.` : "";
    this.#say(`${text}.${cut}`);
  }

  #say(text) {
    setText($("[data-files-note]", this.root), text);
  }
}

function row(change) {
  const slash = change.type === "directory" ? "/" : "";
  return el("tr", { "data-change": change.change },
    el("td", {}, el("span", { class: `pill ${TONES[change.change] ?? ""}` }, change.change)),
    el("td", { class: "command" }, visible(change.path) + slash),
    el("td", { class: "numeric small" }, change.size_bytes === null ? "" : size(change.size_bytes)));
}

/** A path without what would move text about: controls, marks of direction, line ends. */
function visible(path) {
  return path.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (one) => `\\u{${one.codePointAt(0).toString(16)}}`);
}
